import { isDeepStrictEqual } from 'node:util'
import { decode, encode } from 'cborg'
import { Fault } from '../../../src/errors.ts'
import { DISPUTES, disputeOf } from '../../../src/journal/content/disputes.ts'
import type { KeyValue, Write } from '../../../src/journal/key-value.ts'
import { laneRows, putRow, rowKey } from '../../../src/journal/lane-rows.ts'
import { type Frontier, familyOf, type Lane, parseFeedId } from '../../../src/journal/op.ts'
import type { FeedState, SnapshotRow } from '../../../src/journal/rows.ts'
import type { Sequencer } from '../../../src/journal/sequencer.ts'
import { hashWrite } from '../../../src/journal/table-store.ts'
import { INSTALL_BATCH_BYTES } from '../../limits.ts'
import type { BlockFormat } from '../block-format.ts'
import {
  asideKey,
  blockKey,
  blockWrites,
  decodeBlock,
  encodeHeads,
  floorKey,
  INSTALLING,
  installingKey,
  ofLane,
} from '../layout.ts'
import { ClosedLanes } from './closed-lanes.ts'
import type { Floor, Floors } from './floors.ts'
import { covers, part } from './lane-position.ts'
import { ImageSum } from './row-chunk.ts'
import { BatchedWrites, deleteRange } from './slices.ts'
import { type SnapshotFeed, type SnapshotHeader, SnapshotReader } from './snapshot-form.ts'

/** Opens the snapshot's bytes from the beginning. */
export type SnapshotBytes = () => AsyncIterable<Uint8Array>

interface Mark {
  /** `saving`: nothing has been taken away yet. `installing`: rows come and go. `empty`: none are here. */
  readonly stage: 'saving' | 'installing' | 'empty'
  /** This node's own feeds as far as they had come: until they are back, it must not write in the lane. */
  readonly own: Frontier
}

/** What is written last, when every row is here. */
interface Filled {
  readonly writes: readonly Write[]
  readonly floor: Floor
}

/** The hash of no rows. */
const NOTHING = '0'.repeat(64)

/**
 * Puts a snapshot's rows in the place of a lane's. The lane is closed meanwhile, and the writer goes on with the
 * others: its turn is needed for the first step and the last only. A crash half-way leaves a mark; at the next
 * start the lane is emptied and fetched again.
 */
export class LaneInstaller {
  readonly #store: KeyValue
  readonly #sequencer: Sequencer
  readonly #format: BlockFormat
  readonly #cluster: string
  readonly #node: string
  readonly #floors: Floors
  readonly #marks = new Map<Lane, Mark>()
  readonly closed = new ClosedLanes()
  /** Turns this has taken itself: any other changes what it is at. */
  #turns = 0

  constructor(parts: {
    store: KeyValue
    sequencer: Sequencer
    format: BlockFormat
    cluster: string
    node: string
    floors: Floors
  }) {
    this.#store = parts.store
    this.#sequencer = parts.sequencer
    this.#format = parts.format
    this.#cluster = parts.cluster
    this.#node = parts.node
    this.#floors = parts.floors
  }

  /** Clears up after a crash. To be called before the sequencer is opened. */
  async recover(): Promise<void> {
    for await (const [key, row] of this.#store.range(INSTALLING)) {
      const lane = key.slice(INSTALLING.gte.length) as Lane
      const mark = decode(row) as Mark
      if (mark.stage === 'saving') {
        await deleteRange(this.#store, ofLane('aside', lane))
        await this.#store.write([{ type: 'del', key }])
        continue
      }
      if (mark.stage === 'installing') {
        await this.#clear(lane)
        await this.#emptied(lane, mark.own)
      } else this.#marks.set(lane, mark) // Its floor, where it has one, stands.
    }
  }

  /** Whether this node has written in the lane what is not here any more. */
  owes(lane: Lane): boolean {
    const { own } = this.#marks.get(lane) ?? {}
    return own !== undefined && !covers(part(this.#sequencer.frontier(), lane), own)
  }

  /**
   * @param open may be asked before all bytes are here: what streams is used as it comes
   * @param isUsable asked in the writer's turn, before anything is touched and before it counts
   * @throws Fault SNAPSHOT_INVALID when the bytes are not what was signed; the lane is then as it was, or
   * empty where it was before
   */
  async install(snapshot: SnapshotRow, open: SnapshotBytes, isUsable: () => Promise<boolean>): Promise<void> {
    const { header } = await this.#peek(snapshot, open)
    const { lane } = header
    if (Object.keys(part(this.#sequencer.frontier(), lane)).length > 0) await this.#rehearse(snapshot, open)
    const others = await this.#begin(header, isUsable)
    let whole = false
    try {
      try {
        await this.#clear(lane)
        await this.#end(lane, await this.#fill(snapshot, open), others, isUsable)
      } catch (error) {
        await this.#undo(lane)
        throw error
      } finally {
        whole = this.#marks.get(lane)?.stage !== 'installing'
      }
    } finally {
      this.closed.open(lane, whole)
    }
  }

  /** Takes the lane out of the records. @returns how many turns others had taken by then */
  async #begin({ lane, frontier }: SnapshotHeader, isUsable: () => Promise<boolean>): Promise<number> {
    await this.#inTurn(async () => {
      await this.#checkUsable(lane, isUsable)
      const ours = part(this.#sequencer.frontier(), lane)
      this.closed.close(lane, Object.keys(ours).length > 0)
      try {
        const own = Object.fromEntries(
          Object.entries({ ...this.#marks.get(lane)?.own, ...ours }).filter(
            ([feed]) => parseFeedId(feed).author === this.#node,
          ),
        )
        await this.#putAside(lane, ours, frontier, own)
        const mark: Mark = { stage: 'installing', own }
        const feeds = Object.keys(ours).map((feed): Write => ({ type: 'del', key: `feed/${feed}` }))
        await this.#store.write([installing(lane, mark), ...feeds, hashWrite(familyOf(lane), 0n)])
        this.#marks.set(lane, mark)
      } catch (error) {
        this.closed.open(lane, true)
        throw error
      }
    })
    return this.#sequencer.replacements - this.#turns
  }

  /** What was put down counts from here on, unless something else was at it meanwhile. */
  async #end(
    lane: Lane,
    { writes, floor }: Filled,
    others: number,
    isUsable: () => Promise<boolean>,
  ): Promise<void> {
    await this.#inTurn(async () => {
      await this.#checkUsable(lane, isUsable)
      const { replacements, tables } = this.#sequencer
      const untouched =
        replacements - this.#turns === others &&
        Object.keys(part(this.#sequencer.frontier(), lane)).length === 0 &&
        tables.hashOf(familyOf(lane)) === NOTHING
      if (!untouched) throw new Fault('SNAPSHOT_OVERTAKEN', 'the records were changed meanwhile', { lane })
      const mark: Mark = { stage: 'empty', own: this.#marks.get(lane)?.own ?? {} }
      await this.#store.write([...writes, installing(lane, mark)])
      this.#floors.set(lane, floor)
      this.#marks.set(lane, mark)
    })
  }

  /** Takes away what was put down. */
  async #undo(lane: Lane): Promise<void> {
    const own = this.#marks.get(lane)?.own ?? {}
    // Most of it beside the writer; in its turn what may have come since.
    await this.#clear(lane)
    await this.#inTurn(async () => {
      await this.#clear(lane)
      await this.#emptied(lane, own)
    })
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    return this.#sequencer.replace(() => {
      this.#turns++
      return change()
    })
  }

  async #checkUsable(lane: Lane, isUsable: () => Promise<boolean>): Promise<void> {
    if (await isUsable()) return
    throw new Fault('SNAPSHOT_OVERTAKEN', 'an authority op reaches into the snapshot', { lane })
  }

  /** Blocks that were here and are not in the snapshot, in an order in which they can be applied again. */
  async aside(lane: Lane): Promise<Uint8Array[]> {
    const blocks: { depth: number; bytes: Uint8Array }[] = []
    for await (const [, row] of this.#store.range(ofLane('aside', lane))) blocks.push(decodeBlock(row))
    return blocks.sort((a, b) => a.depth - b.depth).map(({ bytes }) => bytes)
  }

  /** Forgets what was put aside once it is back. @returns whether all of it is */
  async settle(lane: Lane): Promise<boolean> {
    if (this.closed.has(lane)) return false
    const frontier = this.#sequencer.frontier()
    const writes: Write[] = []
    let whole = true
    for await (const [key] of this.#store.range(ofLane('aside', lane))) {
      const [feed, seq] = [key.slice('aside/'.length, -17), Number(key.slice(-16))]
      if ((frontier[feed] ?? 0) >= seq) writes.push({ type: 'del', key })
      else whole = false
    }
    if (whole && !this.owes(lane)) {
      writes.push({ type: 'del', key: installingKey(lane) })
      this.#marks.delete(lane)
    }
    if (writes.length > 0) await this.#store.write(writes)
    return whole
  }

  /** Lanes whose blocks put aside wait for their place. */
  unsettled(): Lane[] {
    return [...this.#marks.keys()].filter((lane) => !this.closed.has(lane))
  }

  async #peek(snapshot: SnapshotRow, open: SnapshotBytes): Promise<SnapshotReader> {
    const reader = await this.#open(snapshot, open)
    await reader.close()
    return reader
  }

  async #open(snapshot: SnapshotRow, open: SnapshotBytes): Promise<SnapshotReader> {
    const reader = await SnapshotReader.open(open())
    const { cluster, lane, frontier, authority, stateHash } = reader.header
    const signed = { lane: snapshot.lane, frontier: snapshot.frontier, authority: snapshot.authority }
    const same =
      cluster === this.#cluster &&
      stateHash === snapshot.stateHash &&
      isDeepStrictEqual({ lane, frontier, authority }, signed)
    if (same) return reader
    await reader.close()
    throw new Fault('SNAPSHOT_INVALID', 'the bytes are not of the position that was signed', {
      snapshot: snapshot.id,
    })
  }

  /** Goes through all of it without writing: a lane that has rows is not given away for a bad snapshot. */
  async #rehearse(snapshot: SnapshotRow, open: SnapshotBytes): Promise<void> {
    const reader = await this.#open(snapshot, open)
    for (const feed of reader.feeds) await this.#check(feed)
    const sum = new ImageSum()
    for await (const rows of reader.rows()) for (const row of rows) sum.add(row)
    compare(snapshot, reader, sum)
  }

  /** Keeps blocks the snapshot does not cover, this node's own unsent ones among them. */
  async #putAside(lane: Lane, ours: Frontier, theirs: Frontier, own: Frontier): Promise<void> {
    const rest = Object.entries(ours).filter(([feed, seq]) => seq > (theirs[feed] ?? 0))
    if (rest.length === 0) return
    await this.#store.write([installing(lane, { stage: 'saving', own })])
    const batch = new BatchedWrites(this.#store, INSTALL_BATCH_BYTES)
    for (const [feed, seq] of rest) {
      const range = { gte: blockKey(feed, (theirs[feed] ?? 0) + 1), lt: blockKey(feed, seq + 1) }
      for await (const [key, value] of this.#store.range(range)) {
        await batch.add({ type: 'put', key: asideKey(feed, Number(key.slice(-16))), value })
      }
    }
    await batch.flush()
  }

  /** Puts the rows down as they come. @returns what makes them count */
  async #fill(snapshot: SnapshotRow, open: SnapshotBytes): Promise<Filled> {
    const reader = await this.#open(snapshot, open)
    const { lane, frontier } = reader.header
    const writes: Write[] = []
    for (const feed of reader.feeds) {
      const state: FeedState = { seq: feed.seq, depth: feed.depth, seen: feed.seen }
      writes.push(...(await this.#check(feed)))
      writes.push({ type: 'put', key: `feed/${feed.feed}`, value: encode(state) })
    }
    const sum = new ImageSum()
    const batch = new BatchedWrites(this.#store, INSTALL_BATCH_BYTES)
    let told = false
    for await (const rows of reader.rows()) {
      for (const row of rows) {
        sum.add(row)
        // Rows come sorted: what does not count is there before the tags that ask for it.
        if (row.table === 'tags' && !told) {
          await batch.flush()
          told = true
        }
        const own = disputeOf(this.#store, row)
        if (own) await batch.add(putRow(own))
        if (batch.gather(putRow(row))) await batch.turn()
      }
    }
    await batch.flush()
    compare(snapshot, reader, sum)
    const floor = { snapshot: snapshot.id, digest: snapshot.digest, frontier }
    writes.push(this.#floors.write(lane, floor), hashWrite(familyOf(lane), sum.value))
    return { writes, floor }
  }

  /** The feed's newest entry, by its author's own signature. @returns its place in the log */
  async #check({ feed, seq, depth, hash, block: bytes }: SnapshotFeed): Promise<Write[]> {
    const block = await this.#format.read(bytes, this.#cluster)
    await block.verify()
    const { entry } = block
    if (block.feed !== feed || entry.seq !== seq || entry.depth !== depth || block.hash !== hash) {
      throw new Fault('SNAPSHOT_INVALID', 'a feed does not end with the entry it should', { feed, seq })
    }
    const heads = encodeHeads(hash, block.next === undefined ? [] : [block.next])
    return blockWrites(feed, seq, { hash, depth, bytes }, heads)
  }

  async #clear(lane: Lane): Promise<void> {
    // The hash goes first: from here on the lane is nothing.
    await this.#store.write([hashWrite(familyOf(lane), 0n)])
    for (const kind of ['feed', 'head', 'log', 'hash'] as const) {
      await deleteRange(this.#store, ofLane(kind, lane))
    }
    if (familyOf(lane) === 'catalog') await deleteRange(this.#store, DISPUTES)
    const batch = new BatchedWrites(this.#store, INSTALL_BATCH_BYTES)
    for await (const row of laneRows(this.#store, lane)) await batch.add({ type: 'del', key: rowKey(row) })
    await batch.flush()
  }

  async #emptied(lane: Lane, own: Frontier): Promise<void> {
    const mark: Mark = { stage: 'empty', own }
    await this.#store.write([installing(lane, mark), { type: 'del', key: floorKey(lane) }])
    this.#floors.forget(lane)
    this.#marks.set(lane, mark)
  }
}

function installing(lane: Lane, mark: Mark): Write {
  return { type: 'put', key: installingKey(lane), value: encode(mark) }
}

function compare(snapshot: SnapshotRow, { header }: SnapshotReader, sum: ImageSum): void {
  if (sum.hex === header.rowsHash) return
  throw new Fault('SNAPSHOT_INVALID', 'the rows do not give the hash that was signed', {
    snapshot: snapshot.id,
  })
}
