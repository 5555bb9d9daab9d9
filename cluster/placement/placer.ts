import { isDeepStrictEqual } from 'node:util'
import { Fault } from '../../src/errors.ts'
import { CATALOG } from '../../src/journal/op.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { BlobSource } from '../../src/registry/blob-source.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network } from '../network/network.ts'
import { Change, Places } from '../swarm/waiting.ts'
import { type Berth, berthsOf } from './berths.ts'
import { type Entry, entriesOf, entryOf } from './catalog-walk.ts'
import {
  COPIES_CONCURRENT_MAX,
  COPIES_WAITING_MAX,
  LOOK_AFTER_MS,
  LOOK_INTERVAL_MS,
  LOOK_REST_FACTOR,
  RETRY_MS_MAX,
  RETRY_MS_MIN,
} from './limits.ts'
import type { Progress } from './placement-protocol.ts'
import { Policies } from './policies.ts'
import type { Records } from './records.ts'

export interface PlacerParts {
  readonly records: Records
  readonly roster: Roster
  readonly network: Pick<Network, 'onPeer'>
  readonly blobs: Pick<BlobStore, 'stat'>
  readonly source: Pick<BlobSource, 'fetch'>
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
}

/**
 * Brings what this node is to keep. What that is follows from the tables and the members each time it is looked at, so
 * nothing needs to be remembered over a restart; what is pushed meanwhile is fetched as soon as its record is here.
 */
export class Placer implements Startable {
  readonly #parts: PlacerParts
  readonly #places = new Places(COPIES_CONCURRENT_MAX, COPIES_WAITING_MAX)
  readonly #bringing = new Map<Digest, Promise<void>>()
  readonly #progress = new Map<string, Progress>()
  readonly #change = new Change()
  #stopping: AbortController | undefined
  #running: Promise<void> = Promise.resolve()
  #unfollow: (() => void)[] = []
  #berths: readonly Berth[] = []
  #policies: Policies | undefined
  /** Monotonic time of the next look through everything. */
  #lookAt = 0
  #restMs = 0
  #retryMs = RETRY_MS_MIN
  /** Something could not be brought since the last look began. */
  #missed = false

  constructor(parts: PlacerParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    const { records, roster, network } = this.#parts
    this.#stopping = new AbortController()
    this.#berths = berthsOf(roster, records)
    this.#unfollow = [
      records.onChange((changes) =>
        this.#follow(() => {
          if (changes.some(({ table }) => table === 'projects')) this.#changed()
          for (const change of changes) {
            const entry = entryOf(change)
            if (entry) this.#pushed(entry)
          }
        }),
      ),
      records.lanes.onInstalled((lane) => {
        if (lane === CATALOG) this.#changed()
      }),
      roster.onChange(() =>
        this.#follow(() => {
          const berths = berthsOf(roster, records)
          if (isDeepStrictEqual(berths, this.#berths)) return
          this.#berths = berths
          this.#changed()
        }),
      ),
      network.onPeer((_, state) => {
        if (state === 'up' && this.#missed) this.#lookWithin(LOOK_AFTER_MS)
      }),
    ]
    this.#lookAt = 0
    this.#running = this.#run(this.#stopping.signal)
  }

  async stop(): Promise<void> {
    for (const unfollow of this.#unfollow.splice(0)) unfollow()
    this.#stopping?.abort(new Fault('PLACEMENT_STOPPED', 'this node stops'))
    await this.#running
    await Promise.allSettled(this.#bringing.values())
  }

  /** How far this node is with what it is to keep, by project id, as of the last look. */
  progress(): ReadonlyMap<string, Progress> {
    return this.#progress
  }

  /**
   * Has a blob here when it resolves, whole and durable.
   * @throws Fault BLOB_UNAVAILABLE when nobody in reach has it, RESIDENCY_FORBIDS, BLOB_FETCH_FAILED, TOO_MANY_WAITING
   */
  bring(digest: Digest): Promise<void> {
    let bringing = this.#bringing.get(digest)
    if (!bringing) {
      bringing = this.#bring(digest).finally(() => this.#bringing.delete(digest))
      this.#bringing.set(digest, bringing)
    }
    return bringing
  }

  async #bring(digest: Digest): Promise<void> {
    const { blobs, source } = this.#parts
    if (await blobs.stat(digest)) return
    const signal = this.#stopping?.signal
    const giveBack = await this.#places.take(signal)
    try {
      const incoming = await source.fetch(digest, signal, { purpose: 'bulk' })
      if (!incoming)
        throw new Fault('BLOB_UNAVAILABLE', 'no node that holds the bytes can be reached', { digest })
      await incoming.committed
    } finally {
      giveBack()
    }
  }

  /** Who tells of a change is not to be stopped by what cannot be read here: it is looked at again. */
  #follow(take: () => void): void {
    try {
      take()
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'placement: a change could not be followed')
      this.#lookWithin(this.#retryMs)
    }
  }

  /** Records or members are others than before: all is looked at anew. */
  #changed(): void {
    this.#policies = undefined
    this.#lookWithin(LOOK_AFTER_MS)
  }

  #pushed(entry: Entry): void {
    if (!this.#isWanted(entry)) return
    this.#lookWithin(LOOK_AFTER_MS) // for the counts
    this.bring(entry.digest).catch((error: unknown) => this.#failed(entry, error))
  }

  #isWanted(entry: Entry): boolean {
    const { records } = this.#parts
    this.#policies ??= new Policies(records.tables, this.#berths)
    return this.#policies.keepers(entry).some(({ id }) => id === records.node)
  }

  #failed({ digest, repository }: Entry, error: unknown): void {
    if (this.#stopping?.signal.aborted) return
    this.#missed = true
    this.#lookWithin(this.#retryMs)
    this.#parts.log.debug({ digest, repository, err: error }, 'placement: a copy could not be brought yet')
  }

  #lookWithin(ms: number): void {
    const at = this.#parts.clock.monotonic() + Math.max(ms, this.#restMs)
    if (at >= this.#lookAt) return
    this.#lookAt = at
    this.#change.announce()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, timers, log } = this.#parts
    while (!signal.aborted) {
      const waitMs = this.#lookAt - clock.monotonic()
      if (waitMs > 0) {
        const callOff = timers.after(waitMs, () => this.#change.announce())
        await this.#change.next(signal).catch(() => {})
        callOff()
        continue
      }
      const startedAt = clock.monotonic()
      this.#lookAt = startedAt + LOOK_INTERVAL_MS
      this.#missed = false
      try {
        await this.#look(signal)
      } catch (error) {
        if (signal.aborted) return
        log.warn({ err: error }, 'placement: what this node is to keep could not be looked through')
        this.#missed = true
      }
      this.#restMs = LOOK_REST_FACTOR * (clock.monotonic() - startedAt)
      if (this.#missed) this.#lookWithin(this.#retryMs)
      this.#retryMs = this.#missed ? Math.min(RETRY_MS_MAX, 2 * this.#retryMs) : RETRY_MS_MIN
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { tables } = this.#parts.records
    this.#policies = undefined
    const seen = new Set<string>()
    for await (const { key, row } of tables.list('projects')) {
      if (row.deleted || Object.keys(row.metadata).length === 0) continue
      const policies = (this.#policies ??= new Policies(tables, this.#berths))
      if ((policies.of(key)?.copies ?? 0) === 0) continue
      seen.add(key)
      await this.#lookAtProject(key, signal)
    }
    for (const project of this.#progress.keys()) if (!seen.has(project)) this.#progress.delete(project)
  }

  async #lookAtProject(project: string, signal: AbortSignal): Promise<void> {
    const { records, blobs } = this.#parts
    const counted = new Set<Digest>()
    const missing: Entry[] = []
    const progress = { wanted: 0, placed: 0, wantedBytes: 0, placedBytes: 0 }
    for await (const entry of entriesOf(records.tables, project)) {
      signal.throwIfAborted()
      const { digest, size } = entry
      if (counted.has(digest) || !this.#isWanted(entry)) continue
      counted.add(digest)
      progress.wanted++
      progress.wantedBytes += size
      if (await blobs.stat(digest)) {
        progress.placed++
        progress.placedBytes += size
      } else if (missing.length < COPIES_WAITING_MAX) missing.push(entry)
      else this.#lookWithin(LOOK_AFTER_MS)
    }
    this.#progress.set(project, progress)
    const bringing = new Set<Promise<void>>()
    for (const entry of missing) {
      signal.throwIfAborted()
      const one = this.bring(entry.digest)
        .then(() => {
          progress.placed++
          progress.placedBytes += entry.size
        })
        .catch((error: unknown) => this.#failed(entry, error))
        .finally(() => bringing.delete(one))
      bringing.add(one)
      if (bringing.size >= COPIES_CONCURRENT_MAX) await Promise.race(bringing)
    }
    await Promise.all(bringing)
  }
}
