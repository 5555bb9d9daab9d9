import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { Fault } from '../errors.ts'
import { decode } from './cbor-decode.ts'
import { encode } from './cbor-encode.ts'
import { encodeHistory } from './history-bytes.ts'
import type { ListOptions, TableChange, Tables } from './journal.ts'
import type { KeyValue, Write } from './key-value.ts'
import type { LaneFamily } from './op.ts'
import type { HistoryOp, Rows, TableName } from './rows.ts'

/** Rows kept decoded; at about 1 KiB each this bounds the cache to some 50 MB. */
const CACHED_ROWS_MAX = 50_000
export const HASH_MODULUS = 1n << 256n
/** Followed by the family. */
const HASH_KEY = 'state-hash/'
const FAMILIES: readonly LaneFamily[] = ['authority', 'catalog', 'verdicts', 'trail']

/** Where a table's rows come from; what is not here is the authority's. */
const FAMILY: Partial<Record<TableName, LaneFamily | null>> = {
  repositories: 'catalog',
  links: 'catalog',
  holders: 'catalog',
  manifests: 'catalog',
  tags: 'catalog',
  tagged: 'catalog',
  referrers: 'catalog',
  verdicts: 'verdicts',
  events: 'trail',
  pulls: 'trail',
  // What a node keeps to decide with is cut to what it has met so far, and differs between nodes.
  history: null,
  stages: null,
  stageMembers: null,
  dependents: null,
  reviews: null,
  // Worked out from rows that are in the hash.
  disputes: null,
  disputedFields: null,
  // What counted here and does no more, since its author had another history as well: others held that one.
  retracted: null,
  retractedTags: null,
}

/** The lane family a row is made from; undefined for what is a node's own business and in no hash. */
export function familyOfRow(table: TableName, key: string): LaneFamily | undefined {
  if (table === 'ineffective') return key.slice(0, key.indexOf('/')) as LaneFamily
  const family = FAMILY[table]
  return family === null ? undefined : (family ?? 'authority')
}

type AnyRow = Rows[TableName]

/** A row as it was last read or written; absent rows are kept as well. */
interface Cached {
  readonly row: AnyRow | undefined
  /** The row's hash, where it is known without reading its bytes again. */
  readonly hash?: bigint
}

/** Where a table's row stands in the store. */
export function levelKey(table: TableName, key: string): string {
  return `t/${table}/${key}`
}

function bytesOf(table: TableName, row: AnyRow): Uint8Array {
  return table === 'history' ? encodeHistory(row as readonly HistoryOp[]) : encode(row)
}

export function rowHash(table: TableName, key: string, bytes: Uint8Array): bigint {
  return BigInt(`0x${hash('sha256', Buffer.concat([Buffer.from(`${table}\n${key}\n`), bytes]), 'hex')}`)
}

/**
 * The tables in Level, with the state hash: the sum of all rows' hashes modulo 2^256, so that a change
 * costs what it touches and the order of changes leaves no trace.
 * Only the sequencer writes, through a Draft; everybody else reads.
 */
export class TableStore implements Tables {
  readonly #store: KeyValue
  readonly #cache: LRUCache<string, Cached>
  readonly #hashes = new Map<LaneFamily, bigint>()

  constructor(store: KeyValue, cachedRows = CACHED_ROWS_MAX) {
    this.#store = store
    this.#cache = new LRUCache({ max: cachedRows })
    this.reload()
  }

  /** Reads the hashes again and forgets what was cached: after the store was changed behind the tables. */
  reload(): void {
    this.#cache.clear()
    for (const family of FAMILIES) {
      const stored = this.#store.get(`${HASH_KEY}${family}`)
      this.#hashes.set(family, stored ? BigInt(`0x${Buffer.from(stored).toString('hex')}`) : 0n)
    }
  }

  get<T extends TableName>(table: T, key: string): Rows[T] | undefined {
    const at = levelKey(table, key)
    const cached = this.#cache.get(at)
    if (cached !== undefined) return cached.row as Rows[T] | undefined
    const bytes = this.#store.get(at)
    const row = bytes && (rowOf(at, bytes) as Rows[T])
    this.#cache.set(at, { row })
    return row
  }

  async *list<T extends TableName>(
    table: T,
    { prefix = '', after, limit }: ListOptions = {},
  ): AsyncIterable<{ key: string; row: Rows[T] }> {
    const base = levelKey(table, '')
    const from = after === undefined ? base + prefix : `${base}${after}\u0000`
    // Keys are UTF-8, whose bytes never reach 0xFF: the last code point bounds every key with the prefix.
    const range = { gte: from < base + prefix ? base + prefix : from, lt: `${base}${prefix}\u{10FFFF}` }
    for await (const [key, bytes] of this.#store.range({ ...range, ...(limit !== undefined && { limit }) })) {
      yield { key: key.slice(base.length), row: rowOf(key, bytes) as Rows[T] }
    }
  }

  /** Over the rows of all lanes. */
  stateHash(): string {
    return hexadecimal([...this.#hashes.values()].reduce((sum, one) => sum + one, 0n) % HASH_MODULUS)
  }

  /** Over the rows of one family of lanes. */
  hashOf(family: LaneFamily): string {
    return hexadecimal(this.#hashes.get(family) ?? 0n)
  }

  /** The hash of a row as it stands; undefined where there is none. */
  #hashAt(at: string, table: TableName, key: string): bigint | undefined {
    const cached = this.#cache.get(at)
    if (cached && (cached.row === undefined || cached.hash !== undefined)) return cached.hash
    const bytes = this.#store.get(at)
    return bytes && rowHash(table, key, bytes)
  }

  draft(): Draft {
    return new Draft(this)
  }

  /** The writes that make a draft durable, and what to do once they are. */
  prepare(draft: Draft): { writes: Write[]; changes: TableChange[]; apply: () => void } {
    const writes: Write[] = []
    const changes: TableChange[] = []
    const cached: [string, Cached][] = []
    const sums = new Map<LaneFamily, bigint>()
    const add = (family: LaneFamily, amount: bigint) =>
      sums.set(family, (sums.get(family) ?? this.#hashes.get(family) ?? 0n) + amount)
    for (const [at, { table, key, row }] of draft.changes) {
      const family = familyOfRow(table, key)
      const before = family ? this.#hashAt(at, table, key) : undefined
      const bytes = row === undefined ? undefined : bytesOf(table, row)
      const after = family && bytes ? rowHash(table, key, bytes) : undefined
      if (family && before === after) continue
      if (family && before !== undefined) add(family, -before)
      if (family && after !== undefined) add(family, after)
      writes.push(bytes ? { type: 'put', key: at, value: bytes } : { type: 'del', key: at })
      changes.push({ table, key, row })
      cached.push([at, { row, ...(after !== undefined && { hash: after }) }])
    }
    const hashes = [...sums].map(
      ([family, sum]) => [family, ((sum % HASH_MODULUS) + HASH_MODULUS) % HASH_MODULUS] as const,
    )
    for (const [family, hash] of hashes) writes.push(hashWrite(family, hash))
    return {
      writes,
      changes,
      apply: () => {
        for (const [family, hash] of hashes) this.#hashes.set(family, hash)
        for (const [at, entry] of cached) this.#cache.set(at, entry)
      },
    }
  }
}

/** @throws Fault STORE_ROW_DAMAGED: it was well-formed when it was written */
function rowOf(at: string, bytes: Uint8Array): unknown {
  try {
    return decode(bytes)
  } catch (error) {
    const remedy = '`flotilla check` makes damaged records anew from the logs'
    throw new Fault('STORE_ROW_DAMAGED', `the disk has damaged the record ${at}: ${remedy}`, { at }, error)
  }
}

/** 64 digits. */
export function hexadecimal(hash: bigint): string {
  return hash.toString(16).padStart(64, '0')
}

/** Puts a family's hash down. */
export function hashWrite(family: LaneFamily, hash: bigint): Write {
  return { type: 'put', key: `${HASH_KEY}${family}`, value: Buffer.from(hexadecimal(hash), 'hex') }
}

/** Changes not yet durable, over the tables as they stand. */
export class Draft {
  readonly #tables: Pick<Tables, 'get'>
  readonly changes = new Map<string, { table: TableName; key: string; row: AnyRow | undefined }>()

  constructor(tables: Pick<Tables, 'get'>) {
    this.#tables = tables
  }

  get<T extends TableName>(table: T, key: string): Rows[T] | undefined {
    const changed = this.changes.get(levelKey(table, key))
    return changed ? (changed.row as Rows[T] | undefined) : this.#tables.get(table, key)
  }

  /** Whether the draft has a row there, not merely the tables beneath it. */
  has(table: TableName, key: string): boolean {
    return this.changed(table, key) !== undefined
  }

  /** The row as the draft has it; what the tables beneath it have is not looked at. */
  changed<T extends TableName>(table: T, key: string): Rows[T] | undefined {
    return this.changes.get(levelKey(table, key))?.row as Rows[T] | undefined
  }

  put<T extends TableName>(table: T, key: string, row: Rows[T]): void {
    this.changes.set(levelKey(table, key), { table, key, row })
  }

  delete(table: TableName, key: string): void {
    this.changes.set(levelKey(table, key), { table, key, row: undefined })
  }

  /** A draft over this one: dropped when its ops fail, taken over when they stand. */
  fork(): Draft {
    return new Draft(this)
  }

  take(fork: Draft): void {
    for (const [at, change] of fork.changes) this.changes.set(at, change)
  }
}
