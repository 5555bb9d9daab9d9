import type { Journal } from '../journal/journal.ts'
import { AUTHORITY, type Frontier, parseFeedId } from '../journal/op.ts'
import type { Timers } from '../runtime/timers.ts'
import { CATCH_UP_MS } from './limits.ts'

/**
 * How much of who may do what a node had heard of: entries per node, by the end of its id. Short, for it
 * travels in every token; two nodes whose ids end alike would only make a reader wait for nothing.
 */
export type Knowledge = Readonly<Record<string, number>>

const ID_CHARACTERS = 8

export function knowledgeOf(frontier: Frontier): Knowledge {
  const seen = new Map<string, number>()
  for (const [feed, seq] of Object.entries(frontier)) {
    const { lane, author } = parseFeedId(feed)
    if (lane === AUTHORITY) seen.set(author.slice(-ID_CHARACTERS), seq)
  }
  return Object.fromEntries(seen)
}

/**
 * Lets a request wait, briefly, until this node has heard what another node knew: somebody who is given a
 * right at one site and comes to the next one a moment later is not turned away.
 */
export class CatchingUp {
  readonly #journal: Pick<Journal, 'frontier' | 'onChange'>
  readonly #timers: Timers
  readonly #ms: number

  constructor(parts: { journal: Pick<Journal, 'frontier' | 'onChange'>; timers: Timers; ms?: number }) {
    this.#journal = parts.journal
    this.#timers = parts.timers
    this.#ms = parts.ms ?? CATCH_UP_MS
  }

  /** Whether this node lacks some of it. */
  behind(seen: Knowledge): boolean {
    const here = new Map(Object.entries(knowledgeOf(this.#journal.frontier())))
    return Object.entries(seen).some(([node, seq]) => (here.get(node) ?? 0) < seq)
  }

  /** @returns whether this node learned something by waiting, so that asking again makes sense */
  async until(seen: Knowledge): Promise<boolean> {
    if (!this.behind(seen)) return false
    return new Promise((resolve) => {
      const finish = () => {
        cancel()
        forget()
        resolve(!this.behind(seen))
      }
      const cancel = this.#timers.after(this.#ms, finish)
      const forget = this.#journal.onChange(() => {
        if (!this.behind(seen)) finish()
      })
    })
  }
}
