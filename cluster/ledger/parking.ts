import type { FeedId } from '../../src/journal/op.ts'
import { PARKED_BLOCKS_MAX, PARKED_BYTES_MAX } from '../limits.ts'
import type { Block } from './block-format.ts'

/** Blocks that came before what they depend on. What finds no room is not lost: catching up asks for it again. */
export class Parking {
  readonly #blocks = new Map<string, Block>()
  #bytes = 0

  get size(): number {
    return this.#blocks.size
  }

  get bytes(): number {
    return this.#bytes
  }

  add(block: Block): 'parked' | 'known' | 'full' {
    const key = `${block.feed}/${block.entry.seq}`
    if (this.#blocks.has(key)) return 'known'
    if (this.#blocks.size >= PARKED_BLOCKS_MAX || this.#bytes + block.bytes.length > PARKED_BYTES_MAX)
      return 'full'
    this.#blocks.set(key, block)
    this.#bytes += block.bytes.length
    return 'parked'
  }

  /**
   * Takes out what need not wait any longer, in causal order.
   * @param have how far a feed is known
   * @param isReady whether all it has seen is here
   */
  release(have: (feed: FeedId) => number, isReady: (block: Block) => boolean): Block[] {
    const released: Block[] = []
    for (const [key, block] of this.#blocks) {
      const stale = block.entry.seq <= have(block.feed)
      const ready = !stale && isReady(block)
      if (!stale && !ready) continue
      this.#blocks.delete(key)
      this.#bytes -= block.bytes.length
      if (ready) released.push(block)
    }
    return released.sort((a, b) => a.entry.depth - b.entry.depth)
  }
}
