import { type Entry, type FeedId, feedOf, parseFeedId } from '../../src/journal/op.ts'
import type { SignedBlocks } from './checkers/signed-blocks.ts'
import type { SimNode } from './node.ts'

interface Place {
  readonly feed: FeedId
  readonly seq: number
}

/** Who was let in where, and whom a fork there put out of doors again. */
export class Admissions {
  readonly #signedBlocks: Pick<SignedBlocks, 'isBehindFork'>
  readonly #places = new Map<string, Place[]>()

  constructor(signedBlocks: Pick<SignedBlocks, 'isBehindFork'>) {
    this.#signedBlocks = signedBlocks
  }

  add(entry: Entry): void {
    for (const { kind, body } of entry.ops) {
      const { node } = Object(body) as { node?: unknown }
      if (kind !== 'node.admitted' || typeof node !== 'string') continue
      const places = this.#places.get(node) ?? []
      this.#places.set(node, [...places, { feed: feedOf(entry), seq: entry.seq }])
    }
  }

  /**
   * A fork took back what had admitted the feed's author: nobody holds anything of it, though others have seen it.
   * @param node the one that is asked for it
   */
  isDisowned({ journal }: Pick<SimNode, 'journal'>, feed: FeedId): boolean {
    const { author } = parseFeedId(feed)
    return journal?.tables.get('nodes', author) === undefined && this.#isTakenBack(author, new Set())
  }

  /** Whether each of its admissions lies behind a fork, or is by somebody of whom the same is true. */
  #isTakenBack(node: string, asked: Set<string>): boolean {
    asked.add(node)
    const isGone = ({ feed, seq }: Place) => {
      if (this.#signedBlocks.isBehindFork(feed, seq)) return true
      const { author } = parseFeedId(feed)
      return !asked.has(author) && this.#isTakenBack(author, asked)
    }
    const places = this.#places.get(node) ?? []
    return places.length > 0 && places.every(isGone)
  }
}
