import { isDeepStrictEqual } from 'node:util'
import type { Journal } from '../src/journal/journal.ts'
import { op } from '../src/journal/kinds.ts'
import { AUTHORITY, type Entry, type FeedId, type Lane, parseFeedId } from '../src/journal/op.ts'
import type { NodeFacts } from '../src/journal/rows.ts'
import type { BlobSource } from '../src/registry/blob-source.ts'
import type { NodeParts, Participant } from '../src/registry/collective.ts'
import type {
  ClusterStatus,
  Invitation,
  InviteRequest,
  OnBehalf,
  Topology,
} from '../src/registry/topology.ts'
import { type SealKey, seal } from '../src/runtime/sealing.ts'
import type { Startable } from '../src/runtime/startable.ts'
import { ForkWarden } from './ledger/fork-warden.ts'
import { Incarnation } from './ledger/incarnation.ts'
import { Lag } from './ledger/lag.ts'
import { LookThrough } from './ledger/look-through.ts'
import { orbitFormat } from './ledger/orbit-format.ts'
import type { ReplicatedJournal } from './ledger/replicated-journal.ts'
import { Replication } from './ledger/replication.ts'
import { isSnapshot } from './ledger/snapshots/snapshot-choice.ts'
import { FIRST_CATCH_UP_MS_MAX, LAG_MS_MAX } from './limits.ts'
import { LinkRoom } from './links/link-room.ts'
import { AdmissionDesk } from './membership/admission-desk.ts'
import { JournalAdmissions } from './membership/admission-ledger.ts'
import { factsOf, multiaddrOf, portOf } from './membership/announcement.ts'
import { type ClusterNote, clusterPaths, writeLife, writePlace } from './membership/cluster-files.ts'
import { ClusterTopology } from './membership/cluster-topology.ts'
import { KeyRotation } from './membership/key-rotation.ts'
import { MemberActs } from './membership/member-acts.ts'
import { liveKeys, type NetworkKey, writeNetworkKeys } from './membership/network-keys.ts'
import { noticesOf } from './membership/notices.ts'
import { Renewals } from './membership/renewals.ts'
import { SeededRoster } from './membership/seeded-roster.ts'
import { TableRoster } from './membership/table-roster.ts'
import type { Held } from './membership/word.ts'
import { WordToFormers } from './membership/word-to-formers.ts'
import { Host } from './network/host.ts'
import type { Identity } from './network/identity.ts'
import { Keyring } from './network/keyring.ts'
import type { NodeId } from './network/network.ts'
import { Placement } from './placement/placement.ts'
import { Residency } from './placement/residency.ts'
import { Swarm } from './swarm/swarm.ts'

export interface ClusterNodeParts {
  readonly node: NodeParts
  readonly note: ClusterNote
  readonly identity: Identity
  readonly sealKey: SealKey
  readonly networkKeys: readonly NetworkKey[]
  /** Open. */
  readonly journal: ReplicatedJournal
  /** The data directory is a copy of the one the node was in. */
  readonly copied: boolean
}

/** Done by the node of its own accord. */
const ITSELF: OnBehalf = { actor: 'node', permit: () => {} }

/** A member at work: the rooms of the cluster, started and stopped in their order. */
export class ClusterNode implements Participant {
  readonly clusterId: string
  readonly clusterName: string
  readonly nodeId: string
  readonly journal: Journal
  readonly blobs: BlobSource
  readonly placement: Placement
  readonly topology: Topology
  readonly ended: Promise<string>
  readonly #parts: ClusterNodeParts
  readonly #tables: TableRoster
  readonly #host: Host
  readonly #replication: Replication
  readonly #links: LinkRoom
  readonly #residency: Residency
  readonly #swarm: Swarm
  readonly #admissions: JournalAdmissions
  readonly #desk: AdmissionDesk
  readonly #incarnation: Incarnation
  readonly #forkWarden: ForkWarden
  readonly #lag: Lag
  readonly #lookThrough: LookThrough
  readonly #acts: MemberActs
  readonly #rotation: KeyRotation
  readonly #renewals: Renewals
  readonly #word: WordToFormers
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
    const keyring = new Keyring(...liveKeys(parts.networkKeys, clock.now()).map(({ key }) => key))
    this.#tables = new TableRoster(journal, { clock, timers })
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
    const linksLog = logger.child({ room: 'links' })
    this.#links = new LinkRoom({ journal, network, roster, clock, timers, logger: linksLog })
    this.#residency = new Residency(journal)
    this.#swarm = new Swarm(
      {
        blobs: node.blobs,
        network,
        roster,
        residency: this.#residency,
        identity: identity.privateKey,
        links: this.#links.rules,
        isOfRecords: (digest) => isSnapshot(journal.tables, digest),
        clock,
        timers,
        random,
        logger: logger.child({ room: 'swarm' }),
      },
      { host: settings.host, port: settings.swarmPort, directory: paths.torrents, thread: true },
    )
    this.#replication = new Replication({
      journal,
      network,
      roster,
      clock,
      timers,
      random,
      log: logger.child({ room: 'ledger' }),
      blobs: { store: node.blobs, source: this.#swarm, format: orbitFormat(identity) },
    })
    this.blobs = this.#swarm
    const placed = { residency: this.#residency, swarm: this.#swarm }
    this.placement = new Placement({ ...node, records: journal, roster, network, ...placed })
    this.#lag = new Lag(clock, journal)
    this.#replication.onCompared((_, there) => this.#lag.heard(there))
    const ledgerLog = logger.child({ room: 'ledger' })
    this.#lookThrough = new LookThrough({ journal, store: node.store, clock, timers, log: ledgerLog })
    this.#forkWarden = new ForkWarden({
      journal,
      network,
      roster,
      onCompared: (listener) => this.#replication.onCompared(listener),
      snapshots: this.#replication,
      putOut: (node, reason) =>
        this.#acts.evict(node, { compromised: true, acceptUntil: 'now', reason }, ITSELF),
      random,
      timers,
      log: logger.child({ room: 'ledger' }),
    })
    this.#incarnation = new Incarnation({
      journal,
      network,
      roster,
      onCompared: (listener) => this.#replication.onCompared(listener),
      moved: parts.copied,
      keep: async (life) => {
        await writeLife(paths, life)
        await writePlace(paths)
      },
      clock,
      random,
      timers,
      log: logger.child({ room: 'ledger' }),
    })
    const membershipLog = logger.child({ room: 'membership' })
    this.#rotation = new KeyRotation(
      { keys: parts.networkKeys, keep: (keys) => writeNetworkKeys(paths.networkKey, keys) },
      { journal, keyring, sealKey: parts.sealKey, seal, roster, clock, random, timers, log: membershipLog },
    )
    this.#acts = new MemberActs({ journal, rotation: this.#rotation })
    const { clusterId, clusterName, genesis } = note
    this.#admissions = new JournalAdmissions(
      { journal, roster, clock, keys: () => this.#rotation.live() },
      { clusterId, clusterName, genesis },
    )
    this.#renewals = new Renewals({ journal, roster, network, clock, random, timers, log: membershipLog })
    this.#word = new WordToFormers({
      journal,
      network: this.#host,
      roster,
      laneOf: (block) => this.#laneOf(block),
      onPutOut: (by, held) => this.#putOut(by, held),
      clock,
      random,
      timers,
      log: membershipLog,
    })
    this.#desk = new AdmissionDesk(
      { clusterId, clusterName, path: paths.invites },
      {
        network,
        keyring,
        ledger: this.#admissions,
        roster,
        clock,
        random,
        timers,
        log: membershipLog,
      },
    )
    this.topology = new ClusterTopology({
      clusterId,
      clusterName,
      journal,
      logs: { frontier: () => journal.frontier(), entry: (feed, seq) => this.#entry(feed, seq) },
      clock,
      network,
      replication: { peers: () => this.#replication.peers(), spread: (ms) => this.#spread(ms) },
      invites: { create: (request, by) => this.#invite(request, by) },
      acts: this.#acts,
      links: this.#links.desk,
      handover: this.placement.handover,
      rotation: this.#rotation,
      notices: () => this.#notices(),
      transfers: () => this.#swarm.transfers(),
      ledger: () => this.#ledger(),
      checkStorage: (anew) => {
        if (anew) this.#lookThrough.now()
        return this.#lookThrough.state
      },
    })
  }

  async start(): Promise<void> {
    this.#tables.onChange(() => this.#checkMembership())
    const rooms = [
      this.#tables,
      this.#residency,
      this.#incarnation,
      this.#rotation,
      this.#host,
      this.#links,
      this.#swarm,
      this.#replication,
      this.placement,
      this.#forkWarden,
      this.#admissions,
      this.#desk,
      this.#renewals,
      this.#word,
      this.#lookThrough,
    ]
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
    const { name, site, addresses, swarm, tokenKey, sealKey } = row
    if (isDeepStrictEqual({ name, site, addresses, swarm, tokenKey, sealKey, url: row.url }, facts)) return
    const body = { facts: { ...facts, addresses: [...facts.addresses], swarm: [...facts.swarm] } }
    await this.journal.commit(AUTHORITY, () => [op('node.announced', body, 'node')])
  }

  async #invite(request: InviteRequest, by: OnBehalf): Promise<Invitation> {
    by.permit(this.journal.tables)
    const { record, text } = await this.#desk.issue(request.ttlSeconds * 1000)
    await this.#admissions.record(record, request, by)
    return { id: record.id, invite: text, expiresAt: new Date(record.expiresAt).toISOString() }
  }

  async #entry(feed: FeedId, seq: number): Promise<Entry | undefined> {
    const { journal, identity, note } = this.#parts
    for await (const block of journal.blocks([{ feed, from: seq, to: seq }]))
      return (await orbitFormat(identity).read(block, note.clusterId)).entry
    return undefined
  }

  #notices(): string[] {
    const { journal, node } = this.#parts
    const { forks, writable } = journal.status()
    const nameOf = (id: NodeId) => this.#tables.get(id)?.name ?? id
    const notices = noticesOf({
      self: this.#tables.get(this.nodeId),
      members: this.#tables.members(),
      now: node.clock.now(),
      refusedBy: this.#host.refusedBy().map(nameOf),
      connected: this.#host.connected().length,
      hungUpBy: this.#host.hungUpBy().map(nameOf),
      heldEvicted: this.#word
        .heldEvictedBy()
        .map(({ by, held }) => ({ by: nameOf(by), author: nameOf(held.author), reason: held.reason })),
      forked: forks.map(({ feed }) => parseFeedId(feed).author),
      writable,
      unstraightened: this.#forkWarden.failure?.message,
      laggingMs: this.#lag.ms,
      lagMsMax: LAG_MS_MAX,
    })
    return [...this.#lookThrough.notices(), ...notices]
  }

  async #ledger(): Promise<Pick<ClusterStatus, 'lanes' | 'refused' | 'ledger'>> {
    const { feeds, entries, writable, forks, parked, waited, unknownOps } = this.#parts.journal.status()
    const seen = { feeds, entries, writable, forks: forks.length, parked, waited, unknownOps }
    const ledger = { ...seen, ...this.#lookThrough.facts }
    const { lanes, refused } = await this.#replication.facts()
    return { lanes, refused: { ...refused, ...this.#host.gossipRefusals() }, ledger }
  }

  #facts(url: string | null): NodeFacts {
    const { settings } = this.#parts.node
    const swarmPort = this.#swarm.address()?.port ?? settings.swarmPort
    const clusterPort = portOf(this.#host.addresses()) ?? settings.clusterPort
    const { publicKey: sealKey } = this.#parts.sealKey
    return factsOf({ ...settings, sealKey }, this.nodeId, { clusterPort, swarmPort }, url)
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

  /** By its form alone; taking it in checks the rest. */
  #laneOf(block: Uint8Array): Lane | undefined {
    try {
      return orbitFormat(this.#parts.identity).entryOf(block).lane
    } catch {
      return undefined
    }
  }

  /** Its records do not say so: what led to it is kept from a node that is taken to be in other hands. */
  #putOut(by: NodeId, { author, reason }: Held): void {
    const nameOf = (id: NodeId) => this.#tables.get(id)?.name ?? id
    const why = reason === '' ? '' : ` (${reason})`
    this.#end(
      `this node was evicted from the cluster as compromised, by ${nameOf(author)}${why}, as ${nameOf(by)} says`,
    )
  }

  #checkMembership(): void {
    const state = this.#tables.get(this.nodeId)?.state
    if (state === 'evicted') this.#end('this node was evicted from the cluster')
    if (state === 'left') this.#end('this node has left the cluster')
  }
}
