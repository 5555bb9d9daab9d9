import { decode, encode } from 'cborg'
import { z } from 'zod'
import { Fault } from '../../../src/errors.ts'
import type { RawRow } from '../../../src/journal/lane-rows.ts'
import { belongsTo, rowKey } from '../../../src/journal/lane-rows.ts'
import { type FeedId, type Frontier, isLane, type Lane, parseFeedId } from '../../../src/journal/op.ts'
import type { TableName } from '../../../src/journal/rows.ts'
import { DEPTH_MAX } from '../../../src/limits.ts'
import {
  BLOCK_BYTES_MAX,
  FEEDS_MAX,
  SNAPSHOT_CHUNK_BYTES,
  SNAPSHOT_KEY_BYTES_MAX,
  SNAPSHOT_ROW_BYTES_MAX,
} from '../../limits.ts'
import { frame, frames } from './frames.ts'
import { type FeedPoint, frontierOf, type LanePosition, positionHash } from './lane-position.ts'

/**
 * A snapshot's bytes, the same wherever the same position is written down. Frames of canonical CBOR:
 *
 *   header   {format, cluster, lane, frontier, authority, rowsHash, stateHash}
 *   feeds    [feed, seq, depth, seen, hash, block]      as many as `frontier` names, sorted
 *   chunks   [[table, key, row], …]                     sorted, some 64 KiB each
 *   end      {rows}                                     how many there were
 *
 * `block` is the feed's newest entry as its author signed it: the next one is linked to it.
 */
export interface SnapshotHeader {
  readonly format: 1
  readonly cluster: string
  readonly lane: Lane
  readonly frontier: Frontier
  readonly authority: Frontier
  readonly rowsHash: string
  readonly stateHash: string
}

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
  format: z.literal(1),
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
    format: 1,
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
  let chunk: [string, string, Uint8Array][] = []
  let size = 0
  let count = 0
  for await (const { table, key, bytes: row } of rows) {
    chunk.push([table, key, row])
    count++
    size += table.length + key.length + row.length
    if (size < SNAPSHOT_CHUNK_BYTES) continue
    yield frame(encode(chunk))
    chunk = []
    size = 0
  }
  if (chunk.length > 0) yield frame(encode(chunk))
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
  async *rows(): AsyncGenerator<readonly RawRow[]> {
    let last: Buffer | undefined
    let count = 0
    for (;;) {
      const next = decodeFrame(await nextFrame(this.#frames))
      if (!Array.isArray(next)) {
        const end = parseValue(endSchema, next)
        if (end.rows !== count || !(await this.#frames.next()).done) {
          throw new Fault('SNAPSHOT_INVALID', 'the snapshot does not end where it says', { rows: count })
        }
        return
      }
      const rows: RawRow[] = []
      for (const one of next) {
        const row = readRow(one, this.header.lane)
        const at = Buffer.from(rowKey(row))
        if (last && Buffer.compare(last, at) >= 0) {
          throw new Fault('SNAPSHOT_INVALID', 'the snapshot’s rows are out of order', { key: row.key })
        }
        last = at
        rows.push(row)
      }
      count += rows.length
      yield rows
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

function readRow(value: unknown, lane: Lane): RawRow {
  const [table, key, bytes, more] = Array.isArray(value) ? (value as unknown[]) : []
  const fits =
    typeof table === 'string' &&
    typeof key === 'string' &&
    bytes instanceof Uint8Array &&
    more === undefined &&
    Buffer.byteLength(key) <= SNAPSHOT_KEY_BYTES_MAX &&
    bytes.length <= SNAPSHOT_ROW_BYTES_MAX &&
    belongsTo(lane, table as TableName, key)
  if (!fits) throw new Fault('SNAPSHOT_INVALID', 'a row has no place in the lane', { lane })
  return { table: table as TableName, key, bytes }
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
