import { Log, type LogIdentity, type LogStorage, type OrbitLog } from '@orbitdb/core'
import { Fault } from '../../src/errors.ts'
import type { FeedLog } from '../../src/journal/feed-log.ts'
import type { KeyValue, Write } from '../../src/journal/key-value.ts'
import { type Entry, type FeedId, feedOf } from '../../src/journal/op.ts'
import type { Identity } from '../network/identity.ts'
import { blockWrites, headKey } from './layout.ts'
import { orbitIdentity } from './orbit-identity.ts'
import { StoredFeeds } from './stored-feeds.ts'

/** What OrbitDB has handed over of the block being appended, and what goes to disk with it. */
interface Appending {
  readonly entry: Entry
  readonly writes: readonly Write[]
  /** The log's clock, as OrbitDB counts it. */
  time?: number
  block?: { readonly hash: string; readonly bytes: Uint8Array }
}

/** OrbitDB's id of a feed's log. It follows from what everybody knows, so there is no manifest to fetch. */
export function logId(cluster: string, feed: FeedId): string {
  return `/flotilla/${cluster}/${feed}`
}

/**
 * OrbitDB as the journal's log: it links each block to the one before, signs it, hashes it, and queues
 * appends. It is given storages that keep nothing in memory; the last one it calls on an append (heads)
 * writes block, index, head and the journal's rows as one synced batch. So an append that fails has
 * changed nothing, here or there.
 */
export class OrbitFeedLog implements FeedLog {
  readonly #store: KeyValue
  readonly #identity: LogIdentity
  readonly #cluster: string
  readonly #onAppended: (bytes: Uint8Array) => void
  readonly #logs = new Map<FeedId, OwnLog>()

  /** @param parts.onAppended told of each block once it is durable */
  constructor(parts: {
    store: KeyValue
    identity: Pick<Identity, 'id' | 'signingKey'>
    cluster: string
    onAppended: (bytes: Uint8Array) => void
  }) {
    this.#store = parts.store
    this.#identity = orbitIdentity(parts.identity)
    this.#cluster = parts.cluster
    this.#onAppended = parts.onAppended
  }

  async append(entry: Entry, bytes: Uint8Array, writes: readonly Write[]): Promise<void> {
    const feed = feedOf(entry)
    const log = this.#logs.get(feed) ?? (await OwnLog.open(this.#store, this.#identity, this.#cluster, feed))
    this.#logs.set(feed, log)
    this.#onAppended(await log.append(entry, bytes, writes))
  }
}

/** This node's feed in one lane, of one life. */
class OwnLog {
  readonly #log: OrbitLog
  readonly #storage: FeedStorage

  private constructor(log: OrbitLog, storage: FeedStorage) {
    this.#log = log
    this.#storage = storage
  }

  static async open(store: KeyValue, identity: LogIdentity, cluster: string, feed: FeedId): Promise<OwnLog> {
    const storage = new FeedStorage(store, feed)
    const log = await Log(identity, {
      logId: logId(cluster, feed),
      access: { canAppend: async ({ clock }) => storage.isNext(clock.time) },
      entryStorage: storage.entries,
      headsStorage: storage.heads,
      indexStorage: storage.index,
    })
    return new OwnLog(log, storage)
  }

  /** @returns the signed block */
  async append(entry: Entry, payload: Uint8Array, writes: readonly Write[]): Promise<Uint8Array> {
    const appending: Appending = { entry, writes }
    this.#storage.appending = appending
    try {
      await this.#log.append(payload, { referencesCount: 0 })
    } catch (error) {
      const { seq } = entry
      if (appending.time === undefined || appending.time === seq) throw error
      const facts = { lane: entry.lane, seq, log: appending.time }
      throw new Fault(
        'LOG_BROKEN',
        'the node’s own log does not continue where its records end',
        facts,
        error,
      )
    } finally {
      this.#storage.appending = undefined
    }
    return (appending.block as NonNullable<Appending['block']>).bytes
  }
}

/** The three storages OrbitDB asks for, over the journal's store. */
class FeedStorage {
  appending: Appending | undefined
  /** OrbitDB reads the head twice for each append. A block's hash says what is in it, whatever became of the feed. */
  #newest: Appending['block']
  readonly entries: LogStorage<Uint8Array>
  readonly index: LogStorage<boolean>
  readonly heads: LogStorage<Uint8Array>

  constructor(store: KeyValue, feed: FeedId) {
    const feeds = new StoredFeeds(store)
    const close = async () => {}
    this.entries = {
      put: async (hash, bytes) => {
        if (this.appending) this.appending.block = { hash, bytes }
      },
      get: async (hash) => {
        if (this.#newest?.hash === hash) return this.#newest.bytes
        const seq = feeds.seqOf(feed, hash)
        return seq === undefined ? undefined : feeds.at(feed, seq)?.bytes
      },
      close,
    }
    this.index = {
      put: async () => {},
      get: async (hash) => (feeds.seqOf(feed, hash) === undefined ? undefined : true),
      close,
    }
    this.heads = {
      put: async (_key, heads) => {
        const { entry, writes, block } = this.appending ?? {}
        if (!entry || !block || !writes)
          throw new Fault('LOG_BROKEN', 'the log’s head moved without an append')
        const stored = { ...block, depth: entry.depth }
        await store.write([...blockWrites(feed, entry.seq, stored, heads), ...writes])
        this.#newest = block
      },
      get: async () => store.get(headKey(feed)),
      close,
    }
  }

  /** The log's clock counts its blocks: were it not the seq, log and journal would have come apart. */
  isNext(time: number): boolean {
    if (this.appending) this.appending.time = time
    return time === this.appending?.entry.seq
  }
}

/** Any feed this node holds as a plain OrbitDB log, for reading and checking it. */
export async function openFeed(
  store: KeyValue,
  identity: Pick<Identity, 'id' | 'signingKey'>,
  cluster: string,
  feed: FeedId,
): Promise<OrbitLog> {
  const { entries, heads, index } = new FeedStorage(store, feed)
  return Log(orbitIdentity(identity), {
    logId: logId(cluster, feed),
    access: { canAppend: async () => false },
    entryStorage: entries,
    headsStorage: heads,
    indexStorage: index,
  })
}
