import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { decode } from './cbor-decode.ts'
import { encode } from './cbor-encode.ts'
import { type HistoryBytes, packHistory, unpackHistory } from './history-bytes.ts'
import { histories, historyWrites, refusedKey } from './history-rows.ts'
import type { ListOptions, TableChange, Tables } from './journal.ts'
import type { KeyValue, Write } from './key-value.ts'
import type { LaneFamily } from './op.ts'
import type { HistoryOp, Rows, TableName } from './rows.ts'
import { wholeRow } from './whole-row.ts'

/** Rows kept decoded. */
const CACHED_ROWS_MAX = 50_000
/** What they and their keys may be in the store; decoded they take some five times as much. */
const CACHED_BYTES_MAX = 16 * 1024 * 1024
/** Written all the time and hardly ever read: in the cache it would only take the place of others. */
const UNCACHED: TableName = 'ineffective'
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
  linkUse: 'trail',
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
  if (table === 'ineffective') return FAMILIES.find((family) => key.startsWith(`${family}/`))
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
    this.#cache = new LRUCache({ max: cachedRows, maxSize: CACHED_BYTES_MAX })
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
    const row = bytes && this.#read(table, at, bytes)
    this.#cache.set(at, { row }, { size: at.length + (bytes?.length ?? 0) })
    return row as Rows[T] | undefined
  }

  #read(table: TableName, at: string, bytes: Uint8Array): AnyRow {
    if (table !== 'history') return wholeRow(at, () => decode(bytes) as AnyRow)
    const refused = this.#store.get(refusedKey(at))
    return wholeRow(at, () => unpackHistory(bytes, refused))
  }

  async *list<T extends TableName>(
    table: T,
    { prefix = '', after, limit }: ListOptions = {},
  ): AsyncIterable<{ key: string; row: Rows[T] }> {
    const base = levelKey(table, '')
    const from = after === undefined ? base + prefix : `${base}${after}\u0000`
    // Keys are UTF-8, whose bytes never reach 0xFF: the last code point bounds every key with the prefix.
    const range = { gte: from < base + prefix ? base + prefix : from, lt: `${base}${prefix}\u{10FFFF}` }
    if (table === 'history') {
      yield* histories(this.#store.range(range), base, limit) as AsyncIterable<{ key: string; row: Rows[T] }>
      return
    }
    for await (const [key, bytes] of this.#store.range({ ...range, ...(limit !== undefined && { limit }) })) {
      yield { key: key.slice(base.length), row: wholeRow(key, () => decode(bytes) as Rows[T]) }
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
    const stale: string[] = []
    const cached: [at: string, size: number, entry: Cached][] = []
    const sums = new Map<LaneFamily, bigint>()
    const packed: HistoryBytes[] = []
    const add = (family: LaneFamily, amount: bigint) =>
      sums.set(family, (sums.get(family) ?? this.#hashes.get(family) ?? 0n) + amount)
    for (const [at, { table, key, row, isNew }] of draft.changes) {
      if (table === 'history' && row !== undefined) {
        const history = packHistory(row as readonly HistoryOp[])
        packed.push(history)
        for (const write of historyWrites(at, history)) writes.push(write)
        changes.push({ table, key, row })
        cached.push([at, history.size, { row }])
        continue
      }
      const family = familyOfRow(table, key)
      const before = family && !isNew ? this.#hashAt(at, table, key) : undefined
      const bytes = row === undefined ? undefined : encode(row)
      const after = family && bytes ? rowHash(table, key, bytes) : undefined
      if (family && before === after) continue
      if (family && before !== undefined) add(family, -before)
      if (family && after !== undefined) add(family, after)
      writes.push(bytes ? { type: 'put', key: at, value: bytes } : { type: 'del', key: at })
      changes.push({ table, key, row })
      if (table === UNCACHED) stale.push(at)
      else cached.push([at, bytes?.length ?? 0, { row, ...(after !== undefined && { hash: after }) }])
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
        for (const history of packed) history.stored()
        for (const at of stale) this.#cache.delete(at)
        for (const [at, size, entry] of cached) this.#cache.set(at, entry, { size: at.length + size })
      },
    }
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

interface Change {
  readonly table: TableName
  readonly key: string
  readonly row: AnyRow | undefined
  /** The store has no such row. */
  readonly isNew?: boolean
}

/** Changes not yet durable, over the tables as they stand. */
export class Draft {
  #tables: Pick<Tables, 'get'>
  readonly changes = new Map<string, Change>()

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

  /** As `put`, of a row that the tables are known not to have: nobody looks whether there was one. */
  add<T extends TableName>(table: T, key: string, row: Rows[T]): void {
    const at = levelKey(table, key)
    const before = this.#changeOf(at)
    this.changes.set(at, { table, key, row, isNew: before ? before.isNew === true : true })
  }

  /** What was done to the row here or in the drafts beneath. */
  #changeOf(at: string): Change | undefined {
    return this.changes.get(at) ?? (this.#tables instanceof Draft ? this.#tables.#changeOf(at) : undefined)
  }

  delete(table: TableName, key: string): void {
    this.changes.set(levelKey(table, key), { table, key, row: undefined })
  }

  /** What it was written over stands in these tables by now. */
  rest(tables: Pick<Tables, 'get'>): void {
    this.#tables = tables
  }

  /** A draft over this one: dropped when its ops fail, taken over when they stand. */
  fork(): Draft {
    return new Draft(this)
  }

  take(fork: Draft): void {
    for (const [at, change] of fork.changes) this.changes.set(at, change)
  }
}
