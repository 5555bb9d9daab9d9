import { Fault } from '../../src/errors.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { HandoverStatus } from '../../src/registry/topology.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network, NodeId } from '../network/network.ts'
import { berthsOf } from './berths.ts'
import { type Entry, entriesOf } from './catalog-walk.ts'
import { COPIES_CONCURRENT_MAX, DIGESTS_ASKED_MAX } from './limits.ts'
import type { PlacementClient } from './placement-client.ts'
import { oneOf } from './plan.ts'
import type { Records } from './records.ts'
import type { Residency } from './residency.ts'

export interface HandoverParts {
  readonly records: Pick<Records, 'node' | 'tables'>
  readonly roster: Roster
  readonly network: Pick<Network, 'connected'>
  readonly residency: Pick<Residency, 'mayHold'>
  readonly blobs: Pick<BlobStore, 'stat'>
  readonly client: Pick<PlacementClient, 'held' | 'keep'>
  readonly log: Logger
}

const NOTHING = { running: false, blobs: 0, bytes: 0, handed: 0, handedBytes: 0, failed: 0 }

/** What would go with this node: blobs of the records that nobody else in reach has whole. Others are given them first. */
export class Handover {
  readonly #parts: HandoverParts
  #status: { -readonly [Name in keyof HandoverStatus]: HandoverStatus[Name] } = { ...NOTHING }
  #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(parts: HandoverParts) {
    this.#parts = parts
  }

  start(): void {
    this.#stopping = new AbortController()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Fault('PLACEMENT_STOPPED', 'this node stops'))
    await this.#running
  }

  /** How far the last one is, or was. */
  status(): HandoverStatus {
    return { ...this.#status }
  }

  /** Begins, where none runs: has other members fetch what only this node has. */
  begin(): HandoverStatus {
    if (!this.#status.running) {
      this.#status = { ...NOTHING, running: true }
      this.#running = this.#handOver(this.#stopping.signal)
        .catch((error: unknown) => {
          this.#status.failed++
          this.#parts.log.warn(
            { err: error },
            'placement: what only this node has could not be looked through',
          )
        })
        .finally(() => {
          this.#status.running = false
        })
    }
    return this.status()
  }

  /** @throws Fault LAST_COPIES where something is nowhere else that can be asked now */
  async over(): Promise<void> {
    let blobs = 0
    let bytes = 0
    for await (const lot of this.#lots()) {
      const last = await this.#lastOf(lot)
      blobs += last.length
      bytes += last.reduce((sum, { size }) => sum + size, 0)
    }
    if (blobs === 0) return
    throw new Fault(
      'LAST_COPIES',
      `${blobs} blobs (${bytes} bytes) are at no other node that can be asked: hand them over first, or leave with force and they are lost`,
      { blobs, bytes },
    )
  }

  async #handOver(signal: AbortSignal): Promise<void> {
    const underWay = new Set<Promise<void>>()
    for await (const lot of this.#lots()) {
      for (const entry of await this.#lastOf(lot)) {
        signal.throwIfAborted()
        this.#status.blobs++
        this.#status.bytes += entry.size
        const one = this.#give(entry, signal).finally(() => underWay.delete(one))
        underWay.add(one)
        if (underWay.size >= COPIES_CONCURRENT_MAX) await Promise.race(underWay)
      }
    }
    await Promise.all(underWay)
  }

  async #give({ digest, size, homes }: Entry, signal: AbortSignal): Promise<void> {
    for (const member of await this.#takers(digest, homes)) {
      try {
        await this.#parts.client.keep(member, [digest], {}, signal)
        this.#status.handed++
        this.#status.handedBytes += size
        return
      } catch (error) {
        this.#parts.log.debug({ member, digest, err: error }, 'placement: a member did not take a last copy')
      }
    }
    this.#status.failed++
  }

  /** Who may keep it, in the order that spreads blobs over them. */
  async #takers(digest: Digest, homes: readonly NodeId[]): Promise<NodeId[]> {
    const { roster, records, network, residency } = this.#parts
    const connected = new Set(network.connected())
    let left = berthsOf(roster, records).filter(({ id }) => id !== records.node && connected.has(id))
    const takers: NodeId[] = []
    while (left.length > 0) {
      const [next] = oneOf({ digest, homes }, left)
      left = left.filter((berth) => berth !== next)
      if (next && (await residency.mayHold(next.id, digest))) takers.push(next.id)
    }
    return takers
  }

  /** What is here of all that is recorded, as many at a time as one question takes. */
  async *#lots(): AsyncIterable<Entry[]> {
    const { records, blobs } = this.#parts
    const seen = new Set<Digest>()
    let lot: Entry[] = []
    for await (const { key, row } of records.tables.list('projects')) {
      if (row.deleted) continue
      for await (const entry of entriesOf(records.tables, key)) {
        if (seen.has(entry.digest)) continue
        seen.add(entry.digest)
        if (!(await blobs.stat(entry.digest))) continue
        lot.push(entry)
        if (lot.length < DIGESTS_ASKED_MAX) continue
        yield lot
        lot = []
      }
    }
    if (lot.length > 0) yield lot
  }

  async #lastOf(lot: readonly Entry[]): Promise<readonly Entry[]> {
    const { network, client, log } = this.#parts
    let last = lot
    for (const member of network.connected()) {
      if (last.length === 0) break
      try {
        const held = await client.held(
          member,
          last.map(({ digest }) => digest),
          this.#stopping.signal,
        )
        last = last.filter((_, at) => held[at] !== 'whole')
      } catch (error) {
        log.debug({ member, err: error }, 'placement: a member did not say what it holds')
      }
    }
    return last
  }
}
