import { Fault } from '../../src/errors.ts'
import type { Lane, OpId } from '../../src/journal/op.ts'
import type { BlobSource } from '../../src/registry/blob-source.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { LaneFacts } from '../../src/registry/topology.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { Channel, Network, NodeId } from '../network/network.ts'
import type { BlockFormat } from './block-format.ts'
import { CatchUp } from './catch-up.ts'
import { EntryGossip } from './entry-gossip.ts'
import { LedgerServer } from './ledger-server.ts'
import { LEDGER_PROTOCOL } from './messages.ts'
import { PeerFacts, type PeerSync } from './peer-facts.ts'
import type { Heads } from './position.ts'
import type { ReplicatedJournal } from './replicated-journal.ts'
import { laneFacts } from './snapshots/lane-facts.ts'
import { Pruner } from './snapshots/pruner.ts'
import { SnapshotShelf } from './snapshots/snapshot-shelf.ts'
import { SnapshotTaker } from './snapshots/snapshot-taker.ts'
import { SNAPSHOT_PACE, type SnapshotPace, SnapshotWriter } from './snapshots/snapshot-writer.ts'

export interface ReplicationParts {
  readonly journal: ReplicatedJournal
  readonly network: Network
  readonly roster: Roster
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly log: Logger
  /** Snapshots travel as blobs; without, lanes are replayed and nothing is pruned. */
  readonly blobs?: { readonly store: BlobStore; readonly source: BlobSource; readonly format: BlockFormat }
  /** Tests ask for snapshots and pruning sooner. */
  readonly pace?: Partial<SnapshotPace> & { readonly worthEntries?: number; readonly pruneMs?: number }
}

export interface SnapshotStatus {
  /** How often each reason made a snapshot be passed over, since the start. */
  readonly refused: Readonly<Record<string, number>>
}

/** Carries the journal's entries between members: gossip for freshness, catching up for correctness. */
export class Replication implements Startable {
  readonly #parts: ReplicationParts
  readonly #facts: PeerFacts
  readonly #catchUp: CatchUp
  readonly #gossip: EntryGossip
  readonly #server: LedgerServer
  readonly #shelf: SnapshotShelf | undefined
  readonly #taker: SnapshotTaker | undefined
  readonly #writer: SnapshotWriter | undefined
  readonly #pruner: Pruner | undefined
  #handled = false
  #running = false
  #unfollow = () => {}

  constructor(parts: ReplicationParts) {
    const { journal, network, log } = parts
    this.#parts = parts
    this.#facts = new PeerFacts(parts.clock, log, (feed) => journal.forkedAt(feed))
    const { blobs, pace = {} } = parts
    if (blobs) {
      const shelf = new SnapshotShelf({ blobs: blobs.store, source: blobs.source, timers: parts.timers })
      const { format } = blobs
      this.#shelf = shelf
      this.#taker = new SnapshotTaker({ journal, shelf, format, log })
      this.#writer = new SnapshotWriter({ ...parts, shelf, format }, { ...SNAPSHOT_PACE, ...pace })
      const heardFrom = (node: NodeId) => this.#facts.frontierOf(node)
      const checks = pace.pruneMs === undefined ? {} : { checkMs: pace.pruneMs }
      this.#pruner = new Pruner({ ...parts, shelf, heardFrom }, checks)
    }
    const { worthEntries } = pace
    this.#catchUp = new CatchUp({ ...parts, facts: this.#facts, snapshots: this.#taker, worthEntries })
    this.#gossip = new EntryGossip(journal, network, parts.timers, log, (peer) =>
      this.#catchUp.incomplete(peer),
    )
    this.#server = new LedgerServer(journal, parts.timers, (peer, here, there, stateHash) => {
      this.#facts.record(peer, here, there, stateHash)
      if (there) this.#catchUp.offered(peer, there)
    })
  }

  /** The journal is open and the network runs. */
  async start(): Promise<void> {
    const { network, roster } = this.#parts
    this.#running = true
    if (!this.#handled) await network.handle(LEDGER_PROTOCOL, (channel) => this.#serve(channel))
    this.#handled = true
    await this.#gossip.start()
    await this.#catchUp.start()
    await this.#writer?.start()
    await this.#pruner?.start()
    this.#unfollow = roster.onChange(() => this.#facts.keep((peer) => roster.get(peer) !== undefined))
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#unfollow()
    await this.#pruner?.stop()
    await this.#writer?.stop()
    await this.#gossip.stop()
    await this.#catchUp.stop()
  }

  /** Pulls from one member until it has nothing we lack: a newcomer's first step. */
  catchUp(peer: NodeId, signal: AbortSignal): Promise<void> {
    return this.#catchUp.pull(peer, signal)
  }

  /** Snapshots of the lanes, and what was wrong with those that were passed over. */
  get snapshots(): SnapshotStatus {
    return { refused: this.#taker?.refusals ?? {} }
  }

  /** Puts a snapshot that members vouch for in the place of a lane, where one goes further. @returns whether one did */
  async take(lane: Lane, signal: AbortSignal): Promise<boolean> {
    return (await this.#taker?.take(lane, signal)) ?? false
  }

  /** Has the bytes here that stand for log that was let go. @throws Fault SNAPSHOT_UNREACHABLE */
  async fetchBases(signal: AbortSignal): Promise<void> {
    const { journal } = this.#parts
    for (const { lane } of journal.lanes.status()) {
      const { snapshot, digest } = journal.lanes.floor(lane) ?? {}
      const bytes = digest ?? (snapshot ? journal.tables.get('snapshots', snapshot)?.digest : undefined)
      if (bytes !== undefined) await this.#shelf?.fetch(bytes, signal)
    }
  }

  /** How the records stand here. */
  async facts(): Promise<{ lanes: LaneFacts[]; refused: Readonly<Record<string, number>> }> {
    const { journal, clock, blobs } = this.#parts
    const lanes = blobs ? await laneFacts(journal, blobs.format, clock) : []
    return { lanes, refused: { ...journal.status().refused, ...this.snapshots.refused } }
  }

  /** Writes a lane down now. @returns the op's id; undefined where there are no blobs */
  snapshot(lane: Lane): Promise<OpId | undefined> {
    return this.#writer?.write(lane) ?? Promise.resolve(undefined)
  }

  /** Tells of every comparison with a member: where it stood; undefined where it stood where we did. */
  onCompared(listener: (peer: NodeId, there: Heads | undefined) => void): () => void {
    return this.#facts.onCompared(listener)
  }

  /** Lets go of log that no member will ask for again. @returns lanes that begin later now */
  async prune(): Promise<readonly Lane[]> {
    return (await this.#pruner?.sweep()) ?? []
  }

  /** How each member stood against us at the last comparison. */
  peers(): Map<NodeId, PeerSync> {
    return this.#facts.all()
  }

  /** The network has no way to take a protocol back. */
  async #serve(channel: Channel): Promise<void> {
    if (this.#running) return this.#server.serve(channel)
    throw new Fault('LEDGER_STOPPED', 'this node does not replicate now')
  }
}
