import { decode } from 'cborg'
import { ForkWarden } from '../../cluster/ledger/fork-warden.ts'
import { Incarnation } from '../../cluster/ledger/incarnation.ts'
import { FLOORS, INSTALLING, installingKey } from '../../cluster/ledger/layout.ts'
import { ReplicatedJournal } from '../../cluster/ledger/replicated-journal.ts'
import { Replication, type ReplicationParts } from '../../cluster/ledger/replication.ts'
import type { Floor } from '../../cluster/ledger/snapshots/floors.ts'
import { JournalAdmissions } from '../../cluster/membership/admission-ledger.ts'
import { KeyRotation } from '../../cluster/membership/key-rotation.ts'
import { MemberActs } from '../../cluster/membership/member-acts.ts'
import type { NetworkKey } from '../../cluster/membership/network-keys.ts'
import type { Member } from '../../cluster/membership/roster.ts'
import { SeededRoster } from '../../cluster/membership/seeded-roster.ts'
import { TableRoster } from '../../cluster/membership/table-roster.ts'
import { Keyring } from '../../cluster/network/keyring.ts'
import { NODE_ITSELF } from '../../src/access/principal.ts'
import type { Journal } from '../../src/journal/journal.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import { CATALOG, type Entry, type Frontier, type Lane, type NewOp } from '../../src/journal/op.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import { SimBlobs } from './blobs.ts'
import { SimDisk } from './disk.ts'
import { type Doors, openDoors } from './doors.ts'
import { SimNetwork } from './network/sim-network.ts'
import type { Wire } from './network/wire.ts'
import { keepKeys, keptKeys, sealSimply, simSealKey } from './network-keys.ts'
import { type Keys, simFormat } from './signatures.ts'
import { type Life, SimClock, SimTimers } from './world/time.ts'
import { describe, type World } from './world/world.ts'

/** Who wants to know what a node does: the oracle. */
export interface Witness {
  /**
   * The node has read its disk; whatever it knows now it must have known or written before.
   * @param interrupted it went down while a snapshot took a lane's place: that lane may be empty
   */
  opened(node: SimNode, interrupted: boolean): Promise<void>
  /** It signed this block, and the block is durable. */
  signed(node: SimNode, block: Uint8Array): void
  /** Entries took effect there, durably. */
  applied(node: SimNode, entries: readonly Entry[]): void
  /** A caller was told that these ops are recorded. */
  acknowledged(node: SimNode, lane: Lane, ids: readonly string[]): void
  /** It puts another out by itself: that one signed two histories. */
  putOut(node: SimNode, other: string): void
  /** It is about to let go of the lane's log up to there. */
  lettingGo(node: SimNode, upTo: Frontier): void
  /** It begins or ends to put a snapshot in a lane's place. */
  installing(node: SimNode): void
  /** The node itself says that something is wrong which never may be. */
  complained(node: SimNode, message: string): void
}

export interface NodeParts {
  readonly id: string
  readonly name: string
  readonly clusterId: string
  readonly world: World
  readonly wire: Wire
  readonly keys: Keys
  readonly witness: Witness
  /** Whom it was told of when it was admitted. */
  readonly seeds: readonly Member[]
  /** What it was given then. */
  readonly networkKeys: readonly NetworkKey[]
  /** What the cluster's id is the hash of. */
  readonly genesis: Uint8Array
  /** How often lanes are snapshotted and pruned; undefined: never. */
  readonly pace: ReplicationParts['pace']
}

/** The product keeps its present life in a file beside the records; a backup holds both. */
const LIFE_KEY = 'simulation/life'

/** A simulated cluster has some hundred rows; making room for more at every start takes longer than the run. */
const CACHED_ROWS = 512

/** The parts of one life, from boot to crash. */
interface Running {
  readonly life: Life
  readonly journal: ReplicatedJournal
  readonly roster: SeededRoster
  readonly network: SimNetwork
  readonly replication: Replication
  readonly acts: MemberActs
  readonly rotation: KeyRotation
  readonly admissions: JournalAdmissions
  /** Undefined where lanes are not snapshotted. */
  readonly blobs: SimBlobs | undefined
  /** The journal as its callers have it. */
  readonly recorded: Journal
  readonly doors: Doors
  readonly parts: readonly Startable[]
}

/** A node: its disk and clock outlive it, everything else is made anew at each boot from the product's code. */
export class SimNode {
  readonly id: string
  readonly name: string
  readonly disk: SimDisk
  readonly clock: SimClock
  /** It lies; nothing is promised to whom it serves. */
  hostile = false
  /** It was evicted or has left, and will not come back. */
  gone = false
  readonly #parts: NodeParts
  #running: Running | undefined
  /** What stands on its disk has been read: before that nobody gets through to it. */
  #isOpen = false

  constructor(parts: NodeParts) {
    this.id = parts.id
    this.name = parts.name
    this.disk = new SimDisk(parts.world, parts.name)
    this.clock = new SimClock(parts.world)
    this.#parts = parts
  }

  /** Whom it can ask as long as it knows nobody. */
  get seeds(): readonly Member[] {
    return this.#parts.seeds
  }

  get up(): Running | undefined {
    return this.#isOpen ? this.#running : undefined
  }

  get journal(): ReplicatedJournal | undefined {
    return this.up?.journal
  }

  /** Starts the node on what its disk holds. A node that cannot start breaks a promise: no fault here damages data. */
  async boot(): Promise<void> {
    if (this.#running || this.gone) return
    const { id, clusterId, world, wire, keys, witness, pace } = this.#parts
    const life: Life = { alive: true }
    const store = pace ? this.#watched(this.disk.open(life)) : this.disk.open(life)
    const incarnation = store.get(LIFE_KEY)
    const log = this.#log(witness)
    const random = world.random.fork()
    const timers = new SimTimers(world, life, this.name)
    const { clock } = this
    const format = simFormat(keys, id)
    const blobs: SimBlobs | undefined = pace && new SimBlobs(store, () => network)
    const journal: ReplicatedJournal = new ReplicatedJournal({
      store,
      node: id,
      format,
      clusterId,
      clock,
      log,
      cachedRows: CACHED_ROWS,
      blobs,
      ...(incarnation && { life: Buffer.from(incarnation).toString('latin1') }),
    })
    const tables = new TableRoster(journal, { clock, timers })
    const roster = new SeededRoster(tables, id, this.#parts.seeds)
    const network: SimNetwork = new SimNetwork(id, wire, roster, life)
    const common = { journal, network, roster, clock, timers, random, log }
    const replication = new Replication({
      ...common,
      ...(blobs && pace && { blobs: { store: blobs, source: blobs, format }, pace }),
    })
    const recorded = this.#recorded(journal)
    const doors = openDoors(recorded, random)
    const networkKeys = keptKeys(store) ?? this.#parts.networkKeys
    const keyring = new Keyring(...networkKeys.flatMap(({ key }) => key ?? []))
    const rotation = new KeyRotation(
      { keys: networkKeys, keep: (keys) => keepKeys(store, keys) },
      { ...common, keyring, sealKey: simSealKey(id), seal: sealSimply },
    )
    const acts = new MemberActs({ journal, rotation })
    const onCompared: Replication['onCompared'] = (listener) => replication.onCompared(listener)
    const genesis = this.#parts.genesis
    const admissions = new JournalAdmissions(
      { journal: recorded, roster, clock, keys: () => rotation.live() },
      { clusterId, clusterName: 'simulated', genesis },
    )
    const forkWarden = new ForkWarden({
      ...common,
      onCompared,
      snapshots: blobs && replication,
      putOut: async (node, reason) => {
        witness.putOut(this, node)
        await acts.evict(node, { compromised: true, acceptUntil: 'now', reason }, NODE_ITSELF)
      },
    })
    const keep = (name: string) =>
      store.write([{ type: 'put', key: LIFE_KEY, value: Buffer.from(name, 'latin1') }])
    const lives = new Incarnation({ ...common, onCompared, keep })
    this.#running = {
      life,
      journal,
      roster,
      network,
      replication,
      acts,
      rotation,
      admissions,
      blobs,
      recorded,
      doors,
      parts: [
        tables,
        rotation,
        lives,
        network,
        ...(blobs ? [blobs] : []),
        replication,
        forkWarden,
        admissions,
      ],
    }
    const interrupted = store.get(installingKey(CATALOG)) !== undefined
    await journal.open()
    // Power may go again while it starts.
    if (!life.alive) return
    this.#isOpen = true
    await witness.opened(this, interrupted)
    if (!life.alive) return
    journal.onOwnBlock((block) => witness.signed(this, block))
    journal.onEntries((entries) => witness.applied(this, entries))
    tables.onChange(() => {
      const state = tables.get(id)?.state
      if (state === 'left' || state === 'evicted') this.#retire()
    })
    for (const part of this.#running.parts) await part.start()
    await this.#firstCatchUp(tables)
  }

  /** Power gone: what was not synced may be lost, nobody is told. */
  crash(): void {
    const running = this.#running
    if (!running) return
    running.life.alive = false
    this.#running = undefined
    this.#isOpen = false
    this.#parts.wire.unplug(running.network)
    this.disk.crash()
  }

  /** In order: what was taken on is finished first. */
  async stop(): Promise<void> {
    const running = this.#running
    if (!running) return
    for (const part of [...running.parts].reverse()) await part.stop()
    await running.journal.close()
    if (this.#running === running) this.crash()
  }

  async #firstCatchUp(tables: TableRoster): Promise<void> {
    for (const { id } of this.#parts.seeds) {
      if (tables.get(this.id)) return
      await this.#running?.replication.catchUp(id, new AbortController().signal).catch(() => {})
    }
  }

  /** The disk, and whoever waits for the moment in which a lane is taken apart. */
  #watched(store: KeyValue): KeyValue {
    const { witness } = this.#parts
    return {
      ...store,
      write: (batch) => {
        if (batch.some(({ key }) => key.startsWith(INSTALLING.gte))) witness.installing(this)
        else {
          const floor = batch.find(({ type, key }) => type === 'put' && key.startsWith(FLOORS.gte))
          if (floor?.type === 'put') witness.lettingGo(this, (decode(floor.value) as Floor).frontier)
        }
        return store.write(batch)
      },
    }
  }

  #retire(): void {
    if (this.gone) return
    this.gone = true
    this.#parts.world.schedule(1, `${this.name} retires`, () => {
      void this.stop().catch((error: unknown) =>
        this.#parts.world.fail('no unhandled failure', describe(error)),
      )
    })
  }

  /** The journal as the doors have it: what is acknowledged is remembered. */
  #recorded(journal: ReplicatedJournal): Journal {
    const { witness } = this.#parts
    const commit = async (lane: Lane, plan: (tables: Pick<Journal['tables'], 'get'>) => readonly NewOp[]) => {
      const committed = await journal.commit(lane, plan)
      witness.acknowledged(this, lane, committed.ids)
      return committed
    }
    return {
      node: journal.node,
      cluster: journal.cluster,
      tables: journal.tables,
      commit,
      onChange: (listener) => journal.onChange(listener),
      frontier: () => journal.frontier(),
      stateHash: () => journal.stateHash(),
    }
  }

  #log(witness: Witness): Logger {
    const log: Logger = {
      debug() {},
      info() {},
      warn() {},
      error: (_facts, message) => witness.complained(this, message),
      child: () => log,
    }
    return log
  }
}
