import { type Fault, isFault } from '../../src/errors.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Purpose } from '../../src/registry/blob-source.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { LinkClass } from '../links/link-state.ts'
import type { LinkRules } from '../links/links.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network, NodeId } from '../network/network.ts'
import type { Distrust } from './distrust.ts'
import {
  ASK_AGAIN_MS,
  ASK_AGAIN_TIMES_MAX,
  ASK_ATTEMPTS_MAX,
  ASKS_CONCURRENT_MAX,
  METERED_PATIENCE_MS,
} from './limits.ts'
import { Line } from './line.ts'
import { Change, Places } from './waiting.ts'

/** A member that has the blob, or is getting it. */
export interface Holder {
  readonly member: NodeId
  readonly have: 'whole' | 'part'
  /** Unknown while a fellow fetcher still looks for a holder itself. */
  readonly size: number | undefined
  readonly infoHash: string | undefined
  /** It fetches the blob from another site. */
  readonly ingress: boolean
}

export interface HoldersComponents {
  readonly network: Network
  readonly roster: Roster
  readonly timers: Timers
  readonly logger: Logger
  readonly distrust: Distrust
  readonly links: LinkRules
  readonly mayHold: (member: NodeId, digest: Digest) => Promise<boolean>
}

/** Who has one digest, asked of every connected member at once and of each that connects later. */
export class Holders {
  /** Something was learned, or a question ended. */
  readonly change = new Change()
  readonly #components: HoldersComponents
  readonly #digest: Digest
  readonly #known = new Map<NodeId, Holder>()
  readonly #asking = new Map<NodeId, Promise<void>>()
  readonly #places = new Places(ASKS_CONCURRENT_MAX)
  readonly #signal: AbortSignal
  readonly #purpose: () => Purpose
  #spare: Line | undefined

  /**
   * @param signal ends all questions, and the listening for members that connect
   * @param purpose what the blob is wanted for by now
   */
  constructor(components: HoldersComponents, digest: Digest, signal: AbortSignal, purpose: () => Purpose) {
    this.#components = components
    this.#digest = digest
    this.#signal = signal
    this.#purpose = purpose
  }

  open(): void {
    const { network } = this.#components
    const unsubscribe = network.onPeer((peer, state) => {
      if (state === 'up') this.ask(peer)
    })
    this.#signal.addEventListener('abort', unsubscribe, { once: true })
    this.askAll()
  }

  askAll(): void {
    for (const peer of this.#components.network.connected()) this.ask(peer)
  }

  /** Asks in the background; what it answers shows in `list`. */
  ask(member: NodeId): void {
    const { network, distrust } = this.#components
    if (member === network.self || this.#signal.aborted || this.#asking.has(member)) return
    if (distrust.has(this.#digest, member)) return
    const asking = this.#ask(member).finally(() => {
      this.#asking.delete(member)
      this.change.announce()
    })
    this.#asking.set(member, asking)
  }

  /** A member asked for the blob: it wants it, too. Whether it has some of it already is asked later. */
  heardOf(member: NodeId): void {
    if (this.#known.has(member) || this.#signal.aborted) return
    this.#known.set(member, { member, have: 'part', size: undefined, infoHash: undefined, ingress: false })
    this.change.announce()
  }

  /** It was asked, and nothing is known of its answer yet. */
  isOwing(member: NodeId): boolean {
    return this.#asking.has(member) && !this.#known.has(member)
  }

  /**
   * Members to get bytes from, over links that are open: those with all of them first, of these the ones that gave no
   * wrong bytes lately, and of these the nearest.
   */
  list(): Holder[] {
    const { links } = this.#components
    const classes = new Map(
      this.#trusted().map((holder) => [holder, links.classOf(holder.member, this.#purpose())] as const),
    )
    return [...classes.keys()]
      .filter((holder) => classes.get(holder) !== 'closed')
      .sort((a, b) => this.#farness(a, classes.get(a)) - this.#farness(b, classes.get(b)))
  }

  /** What is known of one member, unless it is passed over or its link is closed. */
  get(member: NodeId): Holder | undefined {
    const { distrust, links } = this.#components
    const holder = this.#known.get(member)
    if (!holder || distrust.has(this.#digest, member)) return undefined
    return links.classOf(member, this.#purpose()) === 'closed' ? undefined : holder
  }

  /** Why those that have the blob cannot give it: they are beyond a closed link. Undefined where nobody is. */
  refusal(): Fault | undefined {
    const { links } = this.#components
    for (const { member, have } of this.#trusted()) {
      const refusal = have === 'whole' ? links.refusal(member, this.#purpose()) : undefined
      if (refusal) return refusal
    }
    return undefined
  }

  whole(): Holder[] {
    return this.list().filter((holder) => holder.have === 'whole')
  }

  /**
   * The first that knows the size; undefined when everybody asked has said no, or nothing. One beyond a metered link
   * waits a moment for the answers of others.
   */
  async first(signal: AbortSignal): Promise<Holder | undefined> {
    const { links, timers } = this.#components
    const isMetered = ({ member }: Holder) => links.classOf(member, this.#purpose()) === 'metered'
    let patient = true
    const callOff = timers.after(METERED_PATIENCE_MS, () => {
      patient = false
      this.change.announce()
    })
    try {
      for (;;) {
        const holder = this.list().find((holder) => holder.size !== undefined)
        const waits = holder && patient && this.#asking.size > 0 && isMetered(holder)
        if (holder && !waits) return holder
        if (!holder && this.#asking.size === 0 && !this.#isLonely()) return undefined
        await this.change.next(signal)
      }
    } finally {
      callOff()
    }
  }

  /** A line to a holder: the one it was asked on, where that still stands. The caller ends it. */
  async line(member: NodeId, signal: AbortSignal): Promise<Line> {
    const spare = this.#spare
    if (spare?.member !== member)
      return Line.open(this.#components.network, this.#components.timers, member, signal)
    this.#spare = undefined
    return spare
  }

  /** The fetch is over. */
  close(): void {
    this.#spare?.abort(new Error('the fetch is over'))
    this.#spare = undefined
  }

  /** A question is open. */
  get asking(): boolean {
    return this.#asking.size > 0
  }

  /** Resolves when no question is open any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#asking.values())
  }

  #trusted(): Holder[] {
    const { distrust } = this.#components
    return [...this.#known.values()].filter(({ member }) => !distrust.has(this.#digest, member))
  }

  #farness({ member, have }: Holder, link: LinkClass | undefined): number {
    const { distrust, network, roster } = this.#components
    const isFar = roster.get(member)?.site !== roster.get(network.self)?.site
    const steps = [have === 'part', distrust.isSuspect(member), link === 'metered', isFar]
    return steps.reduce((sum, isSo) => 2 * sum + Number(isSo), 0)
  }

  /** Members exist, but none is connected yet: the node has just started, or its network has just come back. */
  #isLonely(): boolean {
    const { network, roster } = this.#components
    return (
      network.connected().length === 0 &&
      roster.members().some(({ id }) => id !== network.self && roster.isMember(id))
    )
  }

  async #ask(member: NodeId): Promise<void> {
    const { network, logger, mayHold } = this.#components
    const giveBack = await this.#places.take(this.#signal).catch(() => undefined)
    if (!giveBack) return
    try {
      // Where this node's records cannot be read nobody is told what it looks for.
      if (!(await mayHold(member, this.#digest).catch(() => false))) return
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#inquire(member)
        } catch (error) {
          if (this.#signal.aborted) return
          this.#known.delete(member)
          logger.debug({ member, digest: this.#digest, err: error }, 'swarm: a member was asked in vain')
          // Of two connections to one member one may end at any moment: that says nothing of the member.
          const again = attempt < ASK_ATTEMPTS_MAX && !isFault(error, 'TIMED_OUT')
          if (!again || !network.connected().includes(member)) return
        }
      }
    } finally {
      giveBack()
    }
  }

  async #inquire(member: NodeId): Promise<void> {
    const { network, timers } = this.#components
    const line = await Line.open(network, timers, member, this.#signal)
    try {
      for (let times = 0; ; times++) {
        const answer = await line.have(this.#digest, this.#signal)
        if (answer.have === 'none') {
          this.#known.delete(member)
          break
        }
        const { have, size, infoHash, ingress = false } = answer
        this.#known.set(member, { member, have, size, infoHash, ingress })
        this.change.announce()
        // A fellow that still looks may find what this node does not reach.
        if (size !== undefined || times >= ASK_AGAIN_TIMES_MAX) break
        await timers.sleep(ASK_AGAIN_MS, this.#signal)
      }
    } catch (error) {
      line.abort(error as Error)
      throw error
    }
    // The first that has it all is most likely the one to be asked more.
    const spare = this.#known.get(member)?.have === 'whole' && !this.#spare && !this.#signal.aborted
    if (spare) this.#spare = line
    else await line.close()
  }
}
