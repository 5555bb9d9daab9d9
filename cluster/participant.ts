import { isDeepStrictEqual } from 'node:util'
import type { Journal } from '../src/journal/journal.ts'
import { op } from '../src/journal/kinds.ts'
import { AUTHORITY } from '../src/journal/op.ts'
import type { NodeFacts } from '../src/journal/rows.ts'
import type { BlobSource } from '../src/registry/blob-source.ts'
import type { NodeParts, Participant } from '../src/registry/collective.ts'
import type { Invitation, Topology } from '../src/registry/topology.ts'
import type { Startable } from '../src/runtime/startable.ts'
import type { ReplicatedJournal } from './ledger/replicated-journal.ts'
import { Replication } from './ledger/replication.ts'
import { FIRST_CATCH_UP_MS_MAX } from './limits.ts'
import { AdmissionDesk } from './membership/admission-desk.ts'
import { JournalAdmissions } from './membership/admission-ledger.ts'
import { factsOf, multiaddrOf } from './membership/announcement.ts'
import { type ClusterNote, clusterPaths } from './membership/cluster-files.ts'
import { ClusterTopology } from './membership/cluster-topology.ts'
import { SeededRoster } from './membership/seeded-roster.ts'
import { TableRoster } from './membership/table-roster.ts'
import { Host } from './network/host.ts'
import type { Identity } from './network/identity.ts'
import { Keyring } from './network/keyring.ts'
import { Swarm } from './swarm/swarm.ts'

export interface ClusterNodeParts {
  readonly node: NodeParts
  readonly note: ClusterNote
  readonly identity: Identity
  readonly networkKeys: readonly Uint8Array[]
  /** Open. */
  readonly journal: ReplicatedJournal
}

/** A member at work: the rooms of the cluster, started and stopped in their order. */
export class ClusterNode implements Participant {
  readonly clusterId: string
  readonly clusterName: string
  readonly nodeId: string
  readonly journal: Journal
  readonly blobs: BlobSource
  readonly topology: Topology
  readonly ended: Promise<string>
  readonly #parts: ClusterNodeParts
  readonly #tables: TableRoster
  readonly #host: Host
  readonly #replication: Replication
  readonly #swarm: Swarm
  readonly #admissions: JournalAdmissions
  readonly #desk: AdmissionDesk
  #end: (why: string) => void = () => {}
  /** In the order they were started; a start that fails half-way is stopped half-way. */
  readonly #started: Startable[] = []

  constructor(parts: ClusterNodeParts) {
    const { node, note, identity, journal } = parts
    const { clock, random, timers, logger, settings } = node
    this.#parts = parts
    this.clusterId = note.clusterId
    this.clusterName = note.clusterName
    this.nodeId = identity.id
    this.journal = journal
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    const paths = clusterPaths(node.dataDir)
    const keyring = new Keyring(...parts.networkKeys)
    this.#tables = new TableRoster(journal)
    const roster = new SeededRoster(this.#tables, identity.id, note.seeds)
    const listen = [
      `/${settings.host.includes(':') ? 'ip6' : 'ip4'}/${settings.host}/tcp/${settings.clusterPort}`,
    ]
    const log = logger.child({ room: 'network' })
    const announce = settings.announce.map((host) => multiaddrOf(host, settings.clusterPort, identity.id))
    this.#host = new Host(
      { clusterId: note.clusterId, listen, announce },
      { identity, keyring, roster, clock, random, timers, log },
    )
    const network = this.#host
    this.#replication = new Replication({
      journal,
      network,
      roster,
      clock,
      timers,
      random,
      log: logger.child({ room: 'ledger' }),
    })
    this.#swarm = new Swarm(
      {
        blobs: node.blobs,
        network,
        roster,
        identity: identity.privateKey,
        clock,
        timers,
        random,
        logger: logger.child({ room: 'swarm' }),
      },
      { host: settings.host, port: settings.swarmPort, directory: paths.torrents },
    )
    this.blobs = this.#swarm
    this.#admissions = new JournalAdmissions(
      { journal, roster, clock },
      {
        clusterId: note.clusterId,
        clusterName: note.clusterName,
        genesis: note.genesis,
        networkKey: keyring.outbound().key,
      },
    )
    this.#desk = new AdmissionDesk(
      { clusterId: note.clusterId, path: paths.invites },
      {
        network,
        keyring,
        ledger: this.#admissions,
        roster,
        clock,
        random,
        timers,
        log: logger.child({ room: 'membership' }),
      },
    )
    this.topology = new ClusterTopology({
      clusterId: note.clusterId,
      clusterName: note.clusterName,
      journal,
      network,
      replication: { peers: () => this.#replication.peers(), spread: (ms) => this.#spread(ms) },
      invites: { create: (ttlSeconds) => this.#invite(ttlSeconds) },
      transfers: () => this.#swarm.transfers(),
    })
  }

  async start(): Promise<void> {
    this.#tables.onChange(() => this.#checkMembership())
    const rooms = [this.#tables, this.#host, this.#swarm, this.#replication, this.#admissions, this.#desk]
    for (const room of rooms) {
      await room.start()
      this.#started.push(room)
    }
    this.#checkMembership()
    if (!this.#tables.get(this.nodeId)) await this.#firstCatchUp()
  }

  async stop(): Promise<void> {
    for (const room of this.#started.splice(0).reverse()) await room.stop()
    await this.#parts.journal.close()
  }

  addresses(): string[] {
    return this.#started.includes(this.#host) ? this.#host.addresses() : []
  }

  async announce(url: string | null): Promise<void> {
    const row = this.journal.tables.get('nodes', this.nodeId)
    if (row?.state !== 'member') return
    const facts = this.#facts(url)
    const { name, site, addresses, swarm, tokenKey } = row
    if (isDeepStrictEqual({ name, site, addresses, swarm, tokenKey, url: row.url }, facts)) return
    const body = { facts: { ...facts, addresses: [...facts.addresses], swarm: [...facts.swarm] } }
    await this.journal.commit(AUTHORITY, () => [op('node.announced', body, 'node')])
  }

  async #invite(ttlSeconds: number): Promise<Invitation> {
    const { record, text } = await this.#desk.issue(ttlSeconds * 1000)
    await this.#admissions.record(record)
    return { id: record.id, invite: text, expiresAt: new Date(record.expiresAt).toISOString() }
  }

  #facts(url: string | null): NodeFacts {
    const { settings } = this.#parts.node
    const swarmPort = this.#swarm.address()?.port ?? settings.swarmPort
    const clusterPort = portOf(this.#host.addresses()) ?? settings.clusterPort
    return factsOf(settings, this.nodeId, { clusterPort, swarmPort }, url)
  }

  /** A node that has just joined knows nobody's rights yet: it asks those its inviter named, then answers clients. */
  async #firstCatchUp(): Promise<void> {
    const { logger } = this.#parts.node
    const limit = new AbortController()
    const callOff = this.#parts.node.timers.after(FIRST_CATCH_UP_MS_MAX, () =>
      limit.abort(new Error('took too long')),
    )
    for (const { id, name } of this.#parts.note.seeds) {
      try {
        await this.#replication.catchUp(id, limit.signal)
        if (this.#tables.get(this.nodeId)) break
      } catch (error) {
        logger.warn({ err: error, member: name }, 'could not fetch the records from this member')
      }
    }
    callOff()
    if (!this.#tables.get(this.nodeId)) {
      logger.warn({}, 'no member could be asked for the records: nobody can log in here until one can')
    }
  }

  /** Until one connected peer shows that it holds everything we do, at most `ms`. */
  async #spread(ms: number): Promise<void> {
    const { clock, timers } = this.#parts.node
    const since = clock.monotonic()
    const heard = () =>
      [...this.#replication.peers().values()].some(
        ({ sync, lastExchangeMs }) =>
          sync === 'in-sync' && lastExchangeMs !== null && lastExchangeMs < clock.monotonic() - since,
      )
    while (this.#host.connected().length > 0 && clock.monotonic() - since < ms && !heard())
      await timers.sleep(100)
  }

  #checkMembership(): void {
    const state = this.#tables.get(this.nodeId)?.state
    if (state === 'evicted') this.#end('this node was evicted from the cluster')
    if (state === 'left') this.#end('this node has left the cluster')
  }
}

function portOf(addresses: readonly string[]): number | undefined {
  const match = /\/tcp\/(\d+)/.exec(addresses[0] ?? '')
  return match ? Number(match[1]) : undefined
}
