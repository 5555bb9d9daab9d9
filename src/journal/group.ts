import { decode, encode } from 'cborg'
import { Fault } from '../errors.ts'
import { ENTRY_BYTES_MAX, ENTRY_OPS_MAX, OP_BYTES_MAX } from '../limits.ts'
import type { Tables } from './journal.ts'
import { isKind, kinds } from './kinds.ts'
import {
  type Dot,
  type Entry,
  type FeedId,
  type Frontier,
  familyOf,
  type Lane,
  type NewOp,
  opId,
  parseFeedId,
  type WrittenOp,
} from './op.ts'
import { reduce } from './reduce.ts'
import { refusalText } from './refusals.ts'
import type { Draft } from './table-store.ts'

/** Opening and closing bytes of an entry beside its ops and what it has seen. */
const ENVELOPE_BYTES = 1024

/** Where the entry of a group stands. */
export interface Place {
  readonly node: string
  readonly cluster: string
  readonly feed: FeedId
  readonly seq: number
  readonly depth: number
  readonly time: number
  readonly seen: Frontier
  readonly past: Frontier
}

/** Plans that become one entry: one signature and one fsync for all of them. */
export class Group {
  readonly draft: Draft
  readonly ops: WrittenOp[] = []
  readonly #place: Place
  #bytes: number

  constructor(place: Place, draft: Draft) {
    this.#place = place
    this.draft = draft
    this.#bytes = ENVELOPE_BYTES + encode(place.seen).length
  }

  /**
   * Runs a plan against the tables with all before it in the group applied.
   * @returns the ids of its ops; undefined when there is no room left for them
   * @throws what the plan throws, Fault OP_TOO_LARGE, OP_REFUSED; nothing of the plan is kept then
   */
  add(
    plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[],
    known: Frontier,
  ): readonly string[] | undefined {
    const attempt = this.draft.fork()
    const written = plan(attempt).map(writeOp)
    const size = written.reduce((sum, one) => sum + one.bytes, 0)
    if (this.ops.length + written.length > ENTRY_OPS_MAX || this.#bytes + size > ENTRY_BYTES_MAX) {
      if (this.ops.length > 0) return undefined
      throw new Fault('OP_TOO_LARGE', 'the change is larger than one entry may be', { bytes: size })
    }
    const { feed, seq, depth, time, past, node: author, cluster } = this.#place
    const family = familyOf(parseFeedId(feed).lane)
    const ids = written.map(({ op }, offset) => {
      const dot: Dot = { feed, seq, index: this.ops.length + offset }
      const id = opId(dot)
      const refused = reduce(attempt, { ...op, id, dot, depth, time, past, author, cluster }, known)
      // What is lost the moment it is written is not to be acknowledged either.
      const reason = refused?.reason ?? attempt.changed('ineffective', `${family}/${id}`)?.reason
      if (!reason) return id
      throw new Fault('OP_REFUSED', `${op.kind}: ${refusalText(reason)}`, { kind: op.kind, reason })
    })
    this.draft.take(attempt)
    for (const { op } of written) this.ops.push(op)
    this.#bytes += size
    return ids
  }

  entry(lane: Lane): Entry {
    const { cluster, node: author, seq, depth, time, seen } = this.#place
    return { format: 1, cluster, lane, author, seq, depth, time, seen, ops: this.ops }
  }
}

/**
 * The op as it will stand in the entry: what is reduced here is what others will decode, so that nothing
 * CBOR leaves out or mends (an ill-formed string, a field that is undefined) can tell two nodes apart.
 */
function writeOp(op: NewOp): { op: WrittenOp; bytes: number } {
  const bytes = encode({ ...op, version: isKind(op.kind) ? kinds[op.kind].version : 1 })
  if (bytes.length > OP_BYTES_MAX) {
    throw new Fault('OP_TOO_LARGE', 'the record is larger than one op may be', { bytes: bytes.length })
  }
  return { op: decode(bytes) as WrittenOp, bytes: bytes.length }
}
