import { createHash } from 'node:crypto'
import { decode, encode } from 'cborg'
import { LRUCache } from 'lru-cache'
import type { ListOptions, TableChange, Tables } from './journal.ts'
import type { KeyValue, Write } from './key-value.ts'
import type { Rows, TableName } from './rows.ts'

/** Rows kept decoded; at about 1 KiB each this bounds the cache to some 50 MB. */
const CACHED_ROWS_MAX = 50_000
/** Says why a late op changed nothing; what is late differs between nodes, so these rows stay out of the hash. */
const UNHASHED: ReadonlySet<TableName> = new Set(['ineffective'])
const HASH_MODULUS = 1n << 256n
const HASH_KEY = 'state-hash'
const ABSENT = Symbol('absent')

type AnyRow = Rows[TableName]

function levelKey(table: TableName, key: string): string {
  return `t/${table}/${key}`
}

function rowHash(table: TableName, key: string, bytes: Uint8Array): bigint {
  const hash = createHash('sha256').update(`${table}\n${key}\n`).update(bytes).digest('hex')
  return BigInt(`0x${hash}`)
}

/**
 * The tables in Level, with the state hash: the sum of all rows' hashes modulo 2^256, so that a change
 * costs what it touches and the order of changes leaves no trace.
 * Only the sequencer writes, through a Draft; everybody else reads.
 */
export class TableStore implements Tables {
  readonly #store: KeyValue
  readonly #cache = new LRUCache<string, AnyRow | typeof ABSENT>({ max: CACHED_ROWS_MAX })
  #hash: bigint

  constructor(store: KeyValue) {
    this.#store = store
    const stored = store.get(HASH_KEY)
    this.#hash = stored ? BigInt(`0x${Buffer.from(stored).toString('hex')}`) : 0n
  }

  get<T extends TableName>(table: T, key: string): Rows[T] | undefined {
    const at = levelKey(table, key)
    const cached = this.#cache.get(at)
    if (cached !== undefined) return cached === ABSENT ? undefined : (cached as Rows[T])
    const bytes = this.#store.get(at)
    const row = bytes && (decode(bytes) as Rows[T])
    this.#cache.set(at, row ?? ABSENT)
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
      yield { key: key.slice(base.length), row: decode(bytes) as Rows[T] }
    }
  }

  stateHash(): string {
    return this.#hash.toString(16).padStart(64, '0')
  }

  draft(): Draft {
    return new Draft(this)
  }

  /** The writes that make a draft durable, and what to do once they are. */
  prepare(draft: Draft): { writes: Write[]; changes: TableChange[]; apply: () => void } {
    const writes: Write[] = []
    const changes: TableChange[] = []
    let hash = this.#hash
    for (const [at, { table, key, row }] of draft.changes) {
      const before = this.#store.get(at)
      const after = row === undefined ? undefined : encode(row)
      if (before && after && Buffer.from(before).equals(after)) continue
      if (!before && !after) continue
      if (!UNHASHED.has(table)) {
        if (before) hash -= rowHash(table, key, before)
        if (after) hash += rowHash(table, key, after)
      }
      writes.push(after ? { type: 'put', key: at, value: after } : { type: 'del', key: at })
      changes.push({ table, key, row })
    }
    hash = ((hash % HASH_MODULUS) + HASH_MODULUS) % HASH_MODULUS
    const hashBytes = Buffer.from(hash.toString(16).padStart(64, '0'), 'hex')
    writes.push({ type: 'put', key: HASH_KEY, value: hashBytes })
    return {
      writes,
      changes,
      apply: () => {
        this.#hash = hash
        for (const { table, key, row } of changes) this.#cache.set(levelKey(table, key), row ?? ABSENT)
      },
    }
  }
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
