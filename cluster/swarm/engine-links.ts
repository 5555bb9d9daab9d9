import type { Fault } from '../../src/errors.ts'
import type { LinkRules, Pace } from '../links/links.ts'
import type { NodeId } from '../network/network.ts'
import { errorFacts, faultOf } from './engine-mirror.ts'
import type { FromEngine, LinkFacts } from './engine-protocol.ts'

/** What sockets keep to: a wire is as open as for who waits, for what a torrent is wanted for only its fetcher knows. */
export type WireLinks = Pick<LinkRules, 'refusal' | 'pace' | 'onChange'>

/** What the engine's thread is to know of the links to these members. */
export function linkFactsOf(links: WireLinks, members: readonly NodeId[]): LinkFacts[] {
  return members.map((member) => {
    const refusal = links.refusal(member, 'pull')
    return {
      member,
      refusal: refusal && errorFacts(refusal),
      paced: links.pace(member, 'pull') !== undefined,
    }
  })
}

/** The links as the main thread tells of them. Bytes are paced and counted there: each write asks for its turn. */
export class MirroredLinks implements WireLinks {
  readonly #post: (message: FromEngine) => void
  readonly #known = new Map<NodeId, LinkFacts>()
  readonly #listeners = new Set<() => void>()
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>()
  #turns = 0

  constructor(known: readonly LinkFacts[], post: (message: FromEngine) => void) {
    this.#post = post
    for (const one of known) this.#known.set(one.member, one)
  }

  change(known: readonly LinkFacts[]): void {
    this.#known.clear()
    for (const one of known) this.#known.set(one.member, one)
    for (const listener of this.#listeners) listener()
  }

  /** The main thread has answered who waits for its turn. */
  answer({ turn, error }: { readonly turn: number; readonly error?: LinkFacts['refusal'] }): void {
    const waiting = this.#waiting.get(turn)
    this.#waiting.delete(turn)
    if (error) waiting?.reject(faultOf(error))
    else waiting?.resolve()
  }

  refusal(member: NodeId): Fault | undefined {
    const refusal = this.#known.get(member)?.refusal
    return refusal && (faultOf(refusal) as Fault)
  }

  pace(member: NodeId): Pace | undefined {
    if (!this.#known.get(member)?.paced) return undefined
    return {
      send: (bytes) => {
        const turn = ++this.#turns
        const waiting = Promise.withResolvers<void>()
        this.#waiting.set(turn, waiting)
        this.#post({ type: 'turn', turn, member, bytes })
        return waiting.promise
      },
      received: (bytes) => this.#post({ type: 'crossed', member, bytes }),
    }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
