import { decode } from './cbor-decode.ts'
import { encode } from './cbor-encode.ts'
import type { HistoryOp, Refused } from './rows.ts'

/**
 * How an entity's history stands in the store: in one row its ops, which never change, in another one what does not
 * count of them. Who wrote, what an op rests on and what its author had seen are the same for most, and stand there
 * once. docs/decisions/0010.
 */
export interface HistoryBytes {
  /** Undefined where the store has them already. */
  readonly ops: Uint8Array | undefined
  /** Undefined where all count. */
  readonly refused: Uint8Array | undefined
  /** Whether the store has a row of refusals now. */
  readonly wasRefused: boolean
  /** Of all that stands there then. */
  readonly size: number
  /** To be called once it is on disk. */
  readonly stored: () => void
}

type By = readonly [feed: string, author: string, actor: string]
type Needs = HistoryOp['needs']
type Past = HistoryOp['past']
type PackedOp = [
  id: string,
  by: number,
  seq: number,
  index: number,
  depth: number,
  time: number,
  kind: string,
  body: unknown,
  past: number,
  needs: number,
  rank: number,
]
/** So many, from the one so many before: a review refuses most of a history at once. */
type Run = readonly [from: number, length: number, reason: Refused['reason'], beatenBy: string | null]

/** The packed form of a history's first ops. What is said once only grows, and serves those that follow as well. */
interface Packing {
  readonly count: number
  /** One behind the other. */
  readonly ops: Uint8Array
  readonly by: Distinct<By>
  readonly pasts: Distinct<Past>
  readonly needs: Distinct<Needs>
  isStored: boolean
  isRefusedStored: boolean
}

/** Histories are never changed, only replaced. */
const packings = new WeakMap<readonly HistoryOp[], Packing>()

/** Says that `history` begins with the ops of `before`, whatever of them counts: those are not packed again. */
export function continues(history: readonly HistoryOp[], before: readonly HistoryOp[]): void {
  const packing = before.length === 0 ? unwritten() : packings.get(before)
  if (packing) packings.set(history, packing)
}

/** Of an entity there was nothing of. */
function unwritten(): Packing {
  return {
    count: 0,
    ops: new Uint8Array(),
    by: new Distinct(sameBy),
    pasts: new Distinct(samePast),
    needs: new Distinct(sameNeeds),
    isStored: false,
    isRefusedStored: false,
  }
}

export function packHistory(history: readonly HistoryOp[]): HistoryBytes {
  const before = packings.get(history)
  const packing = before?.count === history.length ? before : extend(before, history)
  packings.set(history, packing)
  const runs = runsOf(history)
  return {
    ops: packing.isStored ? undefined : bytesOf(packing),
    refused: runs.length > 0 ? encode(runs) : undefined,
    wasRefused: packing.isRefusedStored,
    size: packing.ops.length,
    stored: () => {
      packing.isStored = true
      packing.isRefusedStored = runs.length > 0
    },
  }
}

/** @param refused the row of what does not count, where there is one */
export function unpackHistory(bytes: Uint8Array, refused: Uint8Array | undefined): readonly HistoryOp[] {
  const [by, pasts, needs, count, ops] = decode(bytes) as [By[], Past[], Needs[], number, Uint8Array]
  const packed = decode(Buffer.concat([arrayHead(count), ops])) as PackedOp[]
  const verdicts = refused ? verdictsOf(decode(refused) as Run[], count) : undefined
  const history = packed.map((one, at): HistoryOp => {
    const [id, byAt, seq, index, depth, time, kind, body, pastAt, needsAt, rank] = one
    const [feed, author, actor] = by[byAt] as By
    const [past, rests] = [pasts[pastAt] as Past, needs[needsAt] as Needs]
    const dot = { feed, seq, index }
    const verdict = verdicts?.[at] ?? null
    return { id, dot, depth, time, author, actor, kind, body, past, needs: rests, rank, refused: verdict }
  })
  packings.set(history, {
    count,
    ops,
    by: new Distinct(sameBy, by),
    pasts: new Distinct(samePast, pasts),
    needs: new Distinct(sameNeeds, needs),
    isStored: true,
    isRefusedStored: refused !== undefined,
  })
  return history
}

/** @param before undefined where there were ops in another order, or others */
function extend(before: Packing | undefined, history: readonly HistoryOp[]): Packing {
  const { count, by, pasts, needs, ...was } = before ?? { ...unwritten(), isRefusedStored: true }
  const more = history.slice(count).map((op): PackedOp => {
    const { id, dot, depth, time, kind, body, rank } = op
    const who = by.add([dot.feed, op.author, op.actor])
    const [past, rests] = [pasts.add(op.past), needs.add(op.needs)]
    return [id, who, dot.seq, dot.index, depth, time, kind, body, past, rests, rank]
  })
  const bytes = encode(more).subarray(arrayHead(more.length).length)
  const ops = Buffer.concat([was.ops, bytes])
  return { ...was, count: history.length, ops, by, pasts, needs, isStored: false }
}

function bytesOf({ by, pasts, needs, count, ops }: Packing): Uint8Array {
  return encode([by.values, pasts.values, needs.values, count, ops])
}

function runsOf(history: readonly HistoryOp[]): Run[] {
  const runs: Run[] = []
  for (let from = 0; from < history.length; ) {
    const refused = history[from]?.refused
    let to = from + 1
    while (to < history.length && isSame(history[to]?.refused, refused)) to += 1
    if (refused) runs.push([from, to - from, refused.reason, refused.beatenBy])
    from = to
  }
  return runs
}

function isSame(a: Refused | null | undefined, b: Refused | null | undefined): boolean {
  return a === b || (a?.reason === b?.reason && a?.beatenBy === b?.beatenBy)
}

function verdictsOf(runs: readonly Run[], count: number): (Refused | null)[] {
  const verdicts = Array.from({ length: count }, (): Refused | null => null)
  for (const [from, length, reason, beatenBy] of runs) {
    const refused: Refused = { reason, beatenBy }
    for (let at = from; at < from + length; at++) verdicts[at] = refused
  }
  return verdicts
}

/** Further back nothing is looked for: to stand there twice does no harm. */
const LOOKED_BACK_MAX = 8

/** Values in the order they came; what stands among the last few is not put down again. */
class Distinct<T> {
  readonly values: T[]
  readonly #isSame: (a: T, b: T) => boolean

  constructor(isSame: (a: T, b: T) => boolean, values: T[] = []) {
    this.#isSame = isSame
    this.values = values
  }

  /** @returns where it stands */
  add(value: T): number {
    const { values } = this
    const end = Math.max(0, values.length - LOOKED_BACK_MAX)
    for (let at = values.length - 1; at >= end; at--) {
      if (this.#isSame(values[at] as T, value)) return at
    }
    return values.push(value) - 1
  }
}

function sameBy(a: By, b: By): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2]
}

function samePast(a: Past, b: Past): boolean {
  const feeds = Object.keys(a)
  return feeds.length === Object.keys(b).length && feeds.every((feed) => a[feed] === b[feed])
}

/** Whether two ops rest on the same. */
export function sameNeeds(a: Needs, b: Needs): boolean {
  return (
    a === b ||
    (a.length === b.length &&
      a.every((need, n) => {
        const other = b[n]
        return (
          need.length === other?.length &&
          need.every(({ right, grant }, m) => right === other[m]?.right && grant === other[m]?.grant)
        )
      }))
  )
}

const ARRAY = 0x80

function arrayHead(length: number): Uint8Array {
  if (length < 24) return Uint8Array.of(ARRAY | length)
  if (length < 0x100) return Uint8Array.of(ARRAY | 24, length)
  if (length < 0x1_0000) return Uint8Array.of(ARRAY | 25, length >> 8, length & 0xff)
  return Uint8Array.of(ARRAY | 26, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff)
}
