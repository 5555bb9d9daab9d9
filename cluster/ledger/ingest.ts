import { type Fault, isFault, isStorageFault } from '../../src/errors.ts'
import type { CheckedEntry } from '../../src/journal/feed-log.ts'
import { isKind } from '../../src/journal/kinds.ts'
import type { Lane } from '../../src/journal/op.ts'
import type { Sequencer } from '../../src/journal/sequencer.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import { INGEST_BATCH_BLOCKS_MAX, INGEST_BATCH_OPS_MAX } from '../limits.ts'
import type { NodeId } from '../network/network.ts'
import type { Block, BlockFormat } from './block-format.ts'
import type { Damage } from './damage.ts'
import type { Forks } from './forks.ts'
import { IngestView } from './ingest-view.ts'
import { judge, type Refusal, type Verdict } from './judge.ts'
import { blockWrites, encodeHeads } from './layout.ts'
import { Parking } from './parking.ts'
import type { Floors } from './snapshots/floors.ts'
import type { StoredFeeds } from './stored-feeds.ts'

/** What became of blocks from elsewhere. */
export interface Taken {
  /** Entries applied, parked ones that fitted now among them. */
  readonly applied: number
  /** Blocks that do not fit and should not have been sent. */
  readonly refused: number
  /** Something is missing here that others have. */
  readonly incomplete: boolean
}

interface Tally {
  applied: number
  refused: number
  incomplete: boolean
}

export interface IngestParts {
  readonly format: BlockFormat
  readonly cluster: string
  readonly sequencer: Sequencer
  readonly feeds: StoredFeeds
  readonly forks: Forks
  readonly floors: Floors
  readonly damage: Damage
  /** The lane is too old to be kept. */
  readonly isExpired: (lane: Lane) => boolean
  /** A snapshot is being put in the lane's place. */
  readonly isClosed: (lane: Lane) => boolean
  readonly log: Logger
}

/**
 * The one way in for entries from elsewhere, however they came. One call at a time: reads, checks the
 * signatures, judges in order, and hands what fits to the sequencer in batches.
 */
export class Ingest {
  readonly #parts: IngestParts
  readonly #view: IngestView
  readonly #parking = new Parking()
  readonly #refusals = new Map<string, number>()
  #waited = 0
  #unknownOps = 0
  #turn: Promise<unknown> = Promise.resolve()
  #batch: { block: Block; checked: CheckedEntry }[] = []
  #batchOps = 0

  constructor(parts: IngestParts) {
    this.#parts = parts
    this.#view = new IngestView(parts)
  }

  /** How often each reason made a block be refused since the node started. */
  get refusals(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#refusals)
  }

  get parked(): { readonly blocks: number; readonly bytes: number } {
    return { blocks: this.#parking.size, bytes: this.#parking.bytes }
  }

  /** Since the start: entries that came before what they depend on, and ops of kinds this version does not know. */
  get oddities(): { readonly waited: number; readonly unknownOps: number } {
    return { waited: this.#waited, unknownOps: this.#unknownOps }
  }

  /**
   * @param from the member who sent the blocks, not necessarily their author
   * @throws what the store throws; no block of the batch is applied then
   */
  take(blocks: readonly Uint8Array[], from: NodeId): Promise<Taken> {
    const turn = this.#turn.then(() => this.#take(blocks, from))
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** Resolves once nothing is under way. */
  async idle(): Promise<void> {
    await this.#turn
  }

  async #take(all: readonly Uint8Array[], from: NodeId): Promise<Taken> {
    const tally: Tally = { applied: 0, refused: 0, incomplete: false }
    const chunks = Math.ceil(all.length / INGEST_BATCH_BLOCKS_MAX)
    const read = async (index: number) => {
      const start = index * INGEST_BATCH_BLOCKS_MAX
      return this.#read(all.slice(start, start + INGEST_BATCH_BLOCKS_MAX), from, tally)
    }
    let next = read(0)
    try {
      for (let index = 0; index < chunks; index++) {
        const blocks = await next
        // Signatures of the next ones are checked, in the thread pool, while these are written.
        next = read(index + 1)
        await this.#admit(blocks, from, tally)
      }
      await this.#unpark(from, tally)
    } finally {
      await next.catch(() => {})
      this.#clear()
    }
    return tally
  }

  /** What is well-formed, signed by its author and not here yet; or here, but different. */
  async #read(chunk: readonly Uint8Array[], from: NodeId, tally: Tally): Promise<Block[]> {
    const { damage, feeds, sequencer } = this.#parts
    const blocks = await Promise.all(
      chunk.map(async (bytes) => {
        try {
          const block = await this.#parts.format.read(bytes, this.#parts.cluster)
          const held = this.#view.at(block.feed, block.entry.seq)?.hash
          if (held === block.hash && !damage.isWaiting(block.feed, block.entry.seq)) return undefined
          await block.verify()
          // What the disk has damaged is no rival of what its author signed.
          if (block.entry.seq > sequencer.feed(block.feed).seq) return block
          const mended = await damage.mend(block, feeds)
          if (mended === 'mended') tally.applied++
          return mended === 'whole' ? block : undefined
        } catch (error) {
          // What this disk does is not held against who sent the entry.
          if (!isFault(error) || isStorageFault(error)) throw error
          this.#refuse(error, from, tally)
          return undefined
        }
      }),
    )
    return blocks.filter((block) => block !== undefined)
  }

  async #admit(blocks: readonly Block[], from: NodeId, tally: Tally): Promise<void> {
    for (const block of blocks) {
      let verdict = judge(block, this.#view, this.#parts.cluster)
      if (verdict.is === 'refused' && verdict.code === 'AUTHOR_UNKNOWN' && this.#batch.length > 0) {
        // Its admission may be in the batch.
        await this.#flush(tally)
        verdict = judge(block, this.#view, this.#parts.cluster)
      }
      await this.#act(block, verdict, from, tally)
    }
    await this.#flush(tally)
  }

  async #act(block: Block, verdict: Verdict, from: NodeId, tally: Tally): Promise<void> {
    const { entry, feed, hash, bytes } = block
    switch (verdict.is) {
      case 'known':
        return
      case 'early':
        this.#park(block, from)
        tally.incomplete = true
        return
      case 'fork':
        await this.#flush(tally)
        this.#parts.log.error({ feed, seq: entry.seq, held: verdict.held, rival: hash, from }, FORK_MESSAGE)
        this.#count('FORK')
        await this.#parts.forks.record({
          feed,
          seq: entry.seq,
          held: verdict.held,
          rival: hash,
          heldBlock: this.#parts.feeds.at(feed, entry.seq)?.bytes ?? new Uint8Array(),
          rivalBlock: bytes,
        })
        return
      case 'refused':
        this.#refuse({ code: verdict.code, facts: { feed, seq: entry.seq } }, from, tally)
        // What comes before it, or whoever admitted its author, may show why.
        if (WORTH_ASKING.has(verdict.code)) tally.incomplete = true
        return
      case 'fit': {
        if (this.#parts.isClosed(entry.lane)) {
          this.#parking.add(block)
          tally.incomplete = true
          return
        }
        const stored = { hash, depth: entry.depth, bytes }
        const heads = encodeHeads(hash, block.next === undefined ? [] : [block.next])
        this.#batch.push({ block, checked: { entry, writes: blockWrites(feed, entry.seq, stored, heads) } })
        this.#batchOps += entry.ops.length
        this.#view.advance(block)
        if (this.#batchOps >= INGEST_BATCH_OPS_MAX) await this.#flush(tally)
      }
    }
  }

  async #flush(tally: Tally): Promise<void> {
    const batch = this.#batch
    this.#clear()
    if (batch.length === 0) return
    const applied = await this.#parts.sequencer.ingest(batch.map(({ checked }) => checked))
    for (const { block } of batch.slice(0, applied)) this.#note(block)
    tally.applied += applied
    // Only this node's own feed, coming back to it, can have moved meanwhile.
    if (applied < batch.length) tally.incomplete = true
  }

  async #unpark(from: NodeId, tally: Tally): Promise<void> {
    const { sequencer } = this.#parts
    for (;;) {
      const before = tally.applied
      const released = this.#parking.release(
        (feed) => sequencer.feed(feed).seq,
        ({ entry }) => sequencer.missing(entry) === undefined,
      )
      await this.#admit(released, from, tally)
      if (tally.applied === before) return
    }
  }

  /** Waiting is no fault, for entries overtake each other; that many wait may be somebody's doing. */
  #park(block: Block, from: NodeId): void {
    const { feed, entry } = block
    const parked = this.#parking.add(block)
    const code = 'PARKING_FULL'
    if (parked === 'full') this.#tell(this.#count(code), { code, feed, seq: entry.seq, from }, FULL_MESSAGE)
    if (parked === 'parked') this.#tell(++this.#waited, { feed, seq: entry.seq, from }, WAITS_MESSAGE, 'info')
  }

  #note({ feed, entry }: Block): void {
    for (const { kind } of entry.ops)
      if (!isKind(kind))
        this.#tell(
          ++this.#unknownOps,
          { kind: kind.slice(0, KIND_SHOWN_MAX), feed, seq: entry.seq },
          UNKNOWN_MESSAGE,
        )
  }

  /** At powers of two only: a member that sends nothing but junk must not fill the log. */
  #tell(times: number, facts: object, message: string, level: 'info' | 'warn' = 'warn'): void {
    if ((times & (times - 1)) === 0) this.#parts.log[level]({ ...facts, times }, message)
  }

  #clear(): void {
    this.#batch = []
    this.#batchOps = 0
    this.#view.reset()
  }

  #refuse({ code, facts }: Pick<Fault, 'code' | 'facts'>, from: NodeId, tally: Tally): void {
    // The sender may not have heard that the feed is forked.
    if (code !== 'FEED_FORKED') tally.refused++
    this.#tell(this.#count(code), { code, ...facts, from }, 'an entry is refused')
  }

  #count(code: string): number {
    const times = (this.#refusals.get(code) ?? 0) + 1
    this.#refusals.set(code, times)
    return times
  }
}

const WAITS_MESSAGE = 'an entry waits for what comes before it'
const FULL_MESSAGE = 'too many entries wait for what comes before them: this one is to be sent again'
const UNKNOWN_MESSAGE = 'an entry of a kind this version does not know is kept and handed on'
/** Of a kind's name, which may be as long as an entry. */
const KIND_SHOWN_MAX = 64
const FORK_MESSAGE = 'a node signed two entries of one number: its feed goes no further here'
const WORTH_ASKING: ReadonlySet<Refusal> = new Set(['AUTHOR_UNKNOWN', 'CHAIN_BROKEN'])
