import { decode, encode } from 'cborg'
import { z } from 'zod'
import { Fault } from '../../../src/errors.ts'
import type { RawRow } from '../../../src/journal/lane-rows.ts'
import { type FeedId, type Frontier, isLane, type Lane, parseFeedId } from '../../../src/journal/op.ts'
import { DEPTH_MAX } from '../../../src/limits.ts'
import { BLOCK_BYTES_MAX, FEEDS_MAX, SNAPSHOT_CHUNK_BYTES } from '../../limits.ts'
import { frame, frames } from './frames.ts'
import { type FeedPoint, frontierOf, type LanePosition, positionHash } from './lane-position.ts'
import { pack, unpack } from './packing.ts'
import { ChunkReader, type ChunkRow, encodeRow } from './row-chunk.ts'

/**
 * A snapshot's bytes. Frames of canonical CBOR, and from the rows on of packed bytes (`packing.ts`):
 *
 *   header   {format, cluster, lane, frontier, authority, rowsHash, stateHash}
 *   feeds    [feed, seq, depth, seen, hash, block]      as many as `frontier` names, sorted
 *   chunks   packed: rows as in `row-chunk.ts`          sorted, some 256 KiB each before they are packed
 *   end      packed: nothing; then {rows}               how many there were
 *
 * `block` is the feed's newest entry as its author signed it: the next one is linked to it. The same position
 * gives the same rows and feeds everywhere; packed, they differ where zstd is another version.
 */
export interface SnapshotHeader {
  readonly format: typeof FORMAT
  readonly cluster: string
  readonly lane: Lane
  readonly frontier: Frontier
  readonly authority: Frontier
  readonly rowsHash: string
  readonly stateHash: string
}

/** 1 had its rows as CBOR, not packed: refused, as is what comes after this one. */
const FORMAT = 2

export interface SnapshotFeed extends FeedPoint {
  readonly block: Uint8Array
}

const feed = z.string().max(200)
const seq = z.number().int().min(1).max(DEPTH_MAX)
const frontier = z.record(feed, seq)
const sum = z.string().regex(/^[0-9a-f]{64}$/)
const bytes = (max: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= max)
const headerSchema = z.strictObject({
  format: z.literal(FORMAT),
  cluster: z.string().max(100),
  lane: z.string().max(200).refine(isLane),
  frontier,
  authority: frontier,
  rowsHash: sum,
  stateHash: sum,
})
const feedSchema = z.tuple([feed, seq, seq, frontier, z.string().max(100), bytes(BLOCK_BYTES_MAX)])
const endSchema = z.strictObject({ rows: z.number().int().min(0) })

/** The position written down, frame by frame. @param blockOf the newest entry of a feed, as it was signed */
export async function* writeSnapshot(
  cluster: string,
  position: LanePosition,
  blockOf: (point: FeedPoint) => Uint8Array,
  rows: AsyncIterable<RawRow>,
): AsyncGenerator<Uint8Array> {
  const { lane, points, authority, rowsHash } = position
  const header: SnapshotHeader = {
    format: FORMAT,
    cluster,
    lane,
    frontier: frontierOf(points),
    authority,
    rowsHash,
    stateHash: positionHash(position),
  }
  yield frame(encode(header))
  for (const point of points) {
    const { feed: name, seq: at, depth, seen, hash } = point
    yield frame(encode([name, at, depth, seen, hash, blockOf(point)]))
  }
  let chunk: Uint8Array[] = []
  let size = 0
  let count = 0
  for await (const row of rows) {
    const bytes = encodeRow(row)
    chunk.push(bytes)
    count++
    size += bytes.length
    if (size < SNAPSHOT_CHUNK_BYTES) continue
    yield frame(pack(Buffer.concat(chunk)))
    chunk = []
    size = 0
  }
  if (chunk.length > 0) yield frame(pack(Buffer.concat(chunk)))
  yield frame(pack(new Uint8Array()))
  yield frame(encode({ rows: count }))
}

/**
 * Reads a snapshot while it streams: first `header`, then `feeds`, then `rows`. Checks form and order, not
 * yet that anybody vouches for it.
 */
export class SnapshotReader {
  readonly header: SnapshotHeader
  readonly feeds: readonly SnapshotFeed[]
  readonly #frames: AsyncGenerator<Uint8Array>

  private constructor(
    header: SnapshotHeader,
    feeds: readonly SnapshotFeed[],
    rest: AsyncGenerator<Uint8Array>,
  ) {
    this.header = header
    this.feeds = feeds
    this.#frames = rest
  }

  /** @throws Fault SNAPSHOT_INVALID */
  static async open(stream: AsyncIterable<Uint8Array>): Promise<SnapshotReader> {
    const rest = frames(stream)
    try {
      return await SnapshotReader.#begin(rest)
    } catch (error) {
      await rest.return(undefined)
      throw error
    }
  }

  static async #begin(rest: AsyncGenerator<Uint8Array>): Promise<SnapshotReader> {
    const header = parse(headerSchema, await nextFrame(rest)) as SnapshotHeader
    const names = Object.keys(header.frontier).sort()
    if (names.length > FEEDS_MAX) throw new Fault('SNAPSHOT_INVALID', 'the snapshot names too many feeds')
    const feeds: SnapshotFeed[] = []
    for (const name of names) feeds.push(readFeed(header, name, await nextFrame(rest)))
    if (positionHash({ lane: header.lane, points: feeds, rowsHash: header.rowsHash }) !== header.stateHash) {
      throw new Fault('SNAPSHOT_INVALID', 'the snapshot’s feeds do not give its hash', { lane: header.lane })
    }
    return new SnapshotReader(header, feeds, rest)
  }

  /** Chunk by chunk. @throws Fault SNAPSHOT_INVALID for rows of other lanes, out of order or too large */
  async *rows(): AsyncGenerator<readonly ChunkRow[]> {
    const chunks = new ChunkReader(this.header.lane)
    let count = 0
    for (;;) {
      const chunk = unpack(await nextFrame(this.#frames))
      if (chunk.length === 0) break
      const rows = chunks.read(chunk)
      count += rows.length
      yield rows
    }
    const end = parse(endSchema, await nextFrame(this.#frames))
    if (end.rows !== count || !(await this.#frames.next()).done) {
      throw new Fault('SNAPSHOT_INVALID', 'the snapshot does not end where it says', { rows: count })
    }
  }

  /** Leaves the rest unread. */
  async close(): Promise<void> {
    await this.#frames.return(undefined)
  }
}

function readFeed(header: SnapshotHeader, name: FeedId, bytes: Uint8Array): SnapshotFeed {
  const [feed, seq, depth, seen, hash, block] = parse(feedSchema, bytes)
  const ours = feed === name && seq === header.frontier[name] && isFeedOf(header.lane, feed)
  if (!ours) throw new Fault('SNAPSHOT_INVALID', 'a feed is not the one the header names', { feed: name })
  return { feed, seq, depth, seen, hash, block }
}

function isFeedOf(lane: Lane, feed: FeedId): boolean {
  try {
    return parseFeedId(feed).lane === lane
  } catch {
    return false
  }
}

async function nextFrame(rest: AsyncGenerator<Uint8Array>): Promise<Uint8Array> {
  const next = await rest.next()
  if (next.done) throw new Fault('SNAPSHOT_INVALID', 'the snapshot ends too early')
  return next.value
}

function decodeFrame(bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch (error) {
    throw new Fault('SNAPSHOT_INVALID', 'a frame is not CBOR', {}, error)
  }
}

function parse<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  return parseValue(schema, decodeFrame(bytes))
}

function parseValue<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new Fault('SNAPSHOT_INVALID', 'a frame has not the form it should', {}, parsed.error)
}
