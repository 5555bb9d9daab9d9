import type { ReplicationParts } from '../../cluster/ledger/replication.ts'
import { PARKED_BLOCKS_MAX, PARKED_BYTES_MAX } from '../../cluster/limits.ts'
import type { Member } from '../../cluster/membership/roster.ts'
import { NODE_ITSELF } from '../../src/access/principal.ts'
import { isFault } from '../../src/errors.ts'
import { isAdmin } from '../../src/journal/effective.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../../src/journal/genesis.ts'
import { AUTHORITY } from '../../src/journal/op.ts'
import { LIES, Liar, type Lie } from './hostile.ts'
import { Nemesis } from './nemesis.ts'
import { Wire } from './network/wire.ts'
import { SimNode } from './node.ts'
import { Oracle } from './oracle.ts'
import { RecoveryKey } from './recovery.ts'
import { Keys } from './signatures.ts'
import type { SortedRows } from './sorted-rows.ts'
import { Workload } from './workload.ts'
import { describe, type Violation, World } from './world/world.ts'

export interface RunOptions {
  readonly seed: number
  /** 3 to 7; drawn from the seed where none is given. */
  readonly nodes?: number | undefined
  /** Requests, faults and lies go on until so much has happened; all that follows comes on top. */
  readonly events?: number | undefined
  /** Lies that are not told, and promises (I12) that are not looked at. */
  readonly without?: readonly string[] | undefined
  readonly onEvent?: ((line: string) => void) | undefined
}

export interface Outcome {
  readonly seed: number
  readonly violation: Violation | undefined
  /** Everything that happened: requests, faults, messages, writes, timers. */
  readonly events: number
  /** Requests, faults and lies among them. */
  readonly steps: number
  readonly nodes: number
  readonly acknowledged: number
  readonly virtualMs: number
  readonly traceHash: string
}

export const EVENTS = 500
const NODES_MAX = 7
/** Mean of the time between two steps: a rush, a busy day, or long enough for what is dead to be noticed. */
const STEP_MS = [5, 25, 120]
/** How often somebody joins or is put out. */
const CHANGE_RATES = [0.01, 0.01, 0.06]
/** Those that are gone among them. */
const NODES_EVER_MAX = 10
/** A member that was cut off, or sent what was corrupted on its way, is asked again within five minutes. */
const CONVERGED_MS_MAX = 6 * 60_000
const CHECK_EVERY_MS = 200
/** Of a cluster that snapshots and prunes: often, for runs are short, and only when nothing has happened for a while. */
const PACE: ReplicationParts['pace'] = {
  entries: 6,
  logBytes: 2 ** 40,
  checkMs: 300,
  jitterMs: 200,
  quietMs: 280,
  patienceMs: 1500,
  worthEntries: 4,
  pruneMs: 400,
}
/** What such runs do beside the rest: part of their time goes into that. */
const KEEPING_EVENTS = 150
/** Long enough for a snapshot to be written, vouched for and pruned behind. */
const LULL_MS: readonly [number, number] = [600, 1800]
/** A newcomer that waits for a second consent asks so often. */
const ASK_MS = 400
const ASKS_MAX = 12
const DAY_MS = 86_400_000

const RECOVERY = new RecoveryKey(7)

/** A node of a later version, and what writes for it. */
interface Newer {
  readonly node: SimNode
  readonly pen: Liar
  writing: boolean
}

/** One cluster, from its founding to the last check. */
export class Simulation {
  readonly #world: World
  readonly #wire: Wire
  readonly #keys: Keys
  readonly #oracle: Oracle
  readonly #nemesis: Nemesis
  readonly #workload: Workload
  readonly #options: RunOptions
  readonly #cluster: string
  readonly #genesis: Uint8Array
  readonly #nodes: SimNode[] = []
  #named = 1
  #steps = 0
  readonly #liars = new Map<SimNode, Liar>()
  /** Of a later version than the others. All it writes is what they do not know. */
  #newer: Newer | undefined
  /** Who admitted somebody stays as well, for what it recorded could go with it. */
  readonly #sponsors = new Set<SimNode>()
  /** Lanes are snapshotted and pruned. */
  readonly #keeping: boolean
  /** A node's disk as it once was. */
  #backup: { readonly node: SimNode; readonly rows: SortedRows } | undefined

  constructor(options: RunOptions) {
    this.#options = options
    this.#world = new World(options.seed, options.without, options.onEvent)
    const { random } = this.#world
    this.#wire = new Wire(this.#world)
    this.#keys = new Keys(random.fork())
    this.#nemesis = new Nemesis(this.#world, this.#wire, (node) => this.#restored(node))
    this.#workload = new Workload(random.fork(), RECOVERY)
    this.#keeping = random.chance(0.3)
    const founder = this.#keys.create()
    this.#genesis = writeGenesis({
      name: 'simulated',
      founder,
      nonce: random.bytes(32),
      time: 1,
      recovery: RECOVERY.public,
    })
    this.#cluster = clusterIdOf(this.#genesis)
    this.#oracle = new Oracle(this.#world, this.#keys, this.#cluster, (signature) =>
      RECOVERY.hasSigned(signature),
    )
    this.#oracle.onInstalling = (node) => this.#nemesis.ambush(node)
    this.#oracle.onReviewing = (node) => this.#nemesis.ambush(node)
    this.#oracle.admitted.add(founder)
    this.#add(founder, 'n0', [])
  }

  async run(): Promise<Outcome> {
    const onRejection = (error: unknown) => this.#world.fail('no unhandled failure', describe(error))
    process.on('unhandledRejection', onRejection)
    try {
      await this.#found()
      await this.#step()
      await this.#settle()
    } finally {
      process.off('unhandledRejection', onRejection)
      for (const node of this.#nodes) node.crash()
    }
    const world = this.#world
    for (const { journal } of this.#nodes) if (journal) world.note(journal.stateHash())
    const { violation, events, nowMs } = world
    const steps = this.#steps
    const nodes = this.#nodes.length
    const acknowledged = this.#oracle.acknowledgements
    const { seed } = this.#options
    return {
      seed,
      violation,
      events,
      steps,
      nodes,
      acknowledged,
      virtualMs: nowMs,
      traceHash: world.traceHash(),
    }
  }

  async #found(): Promise<void> {
    const { random } = this.#world
    const count = this.#options.nodes ?? 3 + random.integer(5)
    const [founder] = this.#nodes as [SimNode]
    await this.#doing(founder.boot())
    const facts = factsOf(founder.name)
    await this.#doing(founder.journal?.commit(AUTHORITY, () => foundingOps(this.#genesis, founder.id, facts)))
    await this.#doing(this.#workload.lay(founder))
    while (this.#nodes.length < count) await this.#doing(this.#join(founder, true))
    const liars = random.chance(0.3) ? random.sample(this.#nodes.slice(1), 1) : []
    for (const node of liars) {
      node.hostile = true
      this.#oracle.excused.add(node.id)
      this.#liars.set(node, this.#pen(node))
    }
    const rest = this.#nodes.slice(1).filter(({ hostile }) => !hostile)
    if (rest.length > 1 && random.chance(0.2)) {
      const node = random.pick(rest)
      this.#newer = { node, pen: this.#pen(node), writing: false }
    }
  }

  #pen(node: SimNode): Liar {
    const [keys, oracle, cluster] = [this.#keys, this.#oracle, this.#cluster]
    return new Liar({ node, keys, oracle, cluster, random: this.#world.random.fork() })
  }

  async #step(): Promise<void> {
    const { random } = this.#world
    const faultRate = random.pick([0, 0.01, 0.03, 0.08])
    const stepMs = random.pick(STEP_MS)
    const changeRate = random.pick(CHANGE_RATES)
    const more = this.#keeping ? KEEPING_EVENTS : 0
    const enough = this.#world.events + (this.#options.events ?? EVENTS) + more
    const keepingRate = this.#keeping ? 0.03 : 0
    let lullMs = 0
    const next = () => {
      const afterMs = lullMs - Math.log(1 - random.fraction()) * stepMs * 2 * random.fraction()
      lullMs = 0
      this.#world.schedule(afterMs, 'step', () => {
        this.#steps++
        const [liar] = this.#liars.keys()
        if (random.chance(keepingRate)) {
          this.#backUp()
          lullMs = random.between(...LULL_MS)
        } else if (random.chance(faultRate)) {
          this.#nemesis.strike(this.#nodes.filter(({ gone }) => !gone))
        } else if (liar && random.chance(0.06)) this.#lie(liar)
        else if (random.chance(changeRate)) this.#change()
        else if (this.#newer && random.chance(0.04)) this.#writeAhead(this.#newer)
        else this.#ask()
        if (this.#world.events < enough) next()
      })
    }
    next()
    await this.#world.run(() => this.#world.events >= enough)
  }

  /** All faults end; within a bounded time everybody agrees, and every promise has been kept. */
  async #settle(): Promise<void> {
    const world = this.#world
    const members = () => this.#members()
    await this.#converge()
    if (this.#keeping && world.random.chance(0.7)) {
      await this.#comeLate()
      await this.#converge()
    }
    await this.#recover()
    this.#oracle.holdBounds(members(), { blocks: PARKED_BLOCKS_MAX, bytes: PARKED_BYTES_MAX })
    if (world.violation) return
    try {
      await this.#oracle.holdFinally(members())
    } catch (error) {
      world.fail('what is on disk can be read', describe(error))
    }
  }

  async #rest(ms: number): Promise<void> {
    const world = this.#world
    const untilMs = world.nowMs + ms
    world.schedule(ms, 'rest', () => {})
    await world.run(() => world.nowMs >= untilMs)
  }

  /** A fork may have taken back what made the last administrator; that is what the recovery key is for. */
  async #recover(): Promise<void> {
    const [node] = this.#members()
    const { users } = this.#workload
    const { tables } = node?.journal ?? {}
    if (!node || !tables || this.#world.violation) return
    const rows = users.flatMap((user) => tables.get('users', user) ?? [])
    const [someone] = rows.filter(({ deleted }) => !deleted)
    if (!someone || rows.some(isAdmin)) return
    await this.#doing(this.#workload.recover(node, someone.id, RECOVERY))
    await this.#converge()
  }

  /** Somebody joins, or comes back from an old backup, where much has been written down and let go of. */
  async #comeLate(): Promise<void> {
    const { random } = this.#world
    await this.#rest(random.between(...LULL_MS))
    const [liar] = this.#liars.keys()
    if (liar?.up && !liar.gone && random.chance(0.7)) {
      this.#tellLie(liar, 'false-snapshot')
      await this.#rest(random.between(...LULL_MS))
    }
    const [sponsor] = random.sample(this.#members(), 1)
    if (!sponsor?.up) return
    if (this.#backup && random.chance(0.6)) {
      this.#world.note(`${this.#backup.node.name} comes back from an old backup`)
      if (!this.#backup.node.hostile) this.#nemesis.putBack(this.#backup.node, this.#backup.rows)
    }
    if (random.chance(0.7) && this.#nodes.length < NODES_EVER_MAX) {
      this.#world.note(`${sponsor.name} admits late`)
      this.#join(sponsor).catch(() => {})
    }
    for (let n = 0; n < 6; n++) {
      await this.#rest(random.between(20, 300))
      this.#ask()
    }
  }

  #backUp(): void {
    const { random } = this.#world
    const up = this.#nodes.filter((node) => this.#isAsked(node))
    if (up.length === 0 || (this.#backup && random.chance(0.7))) return
    const node = random.pick(up)
    this.#backup = { node, rows: node.disk.rows.copy() }
  }

  async #converge(): Promise<void> {
    const world = this.#world
    const members = () => this.#members()
    const untilMs = world.nowMs + CONVERGED_MS_MAX
    this.#nemesis.healAll(this.#nodes)
    let wait: string | undefined = 'not looked at yet'
    while (wait !== undefined && !world.violation && world.nowMs < untilMs) {
      const lookMs = world.nowMs + CHECK_EVERY_MS
      world.schedule(CHECK_EVERY_MS, 'look', () => {})
      await world.run(() => world.nowMs >= lookMs)
      // A fault that was under way may have crashed a node again.
      if (this.#nodes.some(({ up, gone }) => !up && !gone)) this.#nemesis.healAll(this.#nodes)
      else wait = this.#oracle.notYet(members())
    }
    if (wait !== undefined) world.fail('I10 nodes agree soon after all faults are over', wait)
  }

  /**
   * Whom the cluster owes something: who lies, or was thrown out and may not have heard of it, is left alone. Asked
   * of the node that most call a member, for any may have been put out that went back to an old disk.
   */
  #members(): SimNode[] {
    const honest = this.#nodes.filter(({ gone, hostile }) => !gone && !hostile)
    const calls = (one: SimNode, { id }: Pick<SimNode, 'id'>) =>
      one.journal?.tables.get('nodes', id)?.state === 'member'
    // Who came back with nothing is called a member by others, and knows of none.
    const votes = (node: SimNode) => (calls(node, node) ? honest.filter((one) => calls(one, node)).length : 0)
    const [pivot] = [...honest].sort((a, b) => votes(b) - votes(a))
    if (!pivot) return []
    // Set back to when it had just been let in, by members that are none any more: only a new invite brings it back.
    const found = new Set(honest.filter((node) => calls(node, node)))
    const finds = (node: SimNode) =>
      node.seeds.some(({ id }) => calls(pivot, { id }) && [...found].some((one) => one.id === id))
    for (let before = -1; before < found.size; ) {
      before = found.size
      for (const node of honest) if (finds(node)) found.add(node)
    }
    return honest.filter((node) => node === pivot || (calls(pivot, node) && found.has(node)))
  }

  /** A node tells of itself when it starts, and again when that has changed. */
  #restored(node: SimNode): void {
    const others = this.#nodes.filter((one) => one !== node && !one.gone)
    this.#oracle.restored(node, others)
    for (const latestMs of [400, 4000, 12_000]) {
      this.#world.schedule(this.#world.random.between(20, latestMs), `${node.name} announces`, () => {
        if (this.#isAsked(node)) this.#workload.request('announce', node).catch(() => {})
      })
    }
  }

  #ask(): void {
    const up = this.#nodes.filter((node) => this.#isAsked(node))
    if (up.length === 0) return
    const node = this.#world.random.pick(up)
    const request = this.#workload.next()
    this.#world.note(`${node.name}: ${request}`)
    this.#workload.request(request, node).then(
      () => this.#world.note(`${node.name}: ${request} done`),
      (error: unknown) => {
        if (!isFault(error)) this.#world.fail('no unhandled failure', `${request}: ${describe(error)}`)
      },
    )
  }

  #isAsked(node: SimNode): boolean {
    return node.up !== undefined && !node.gone && !node.hostile && node !== this.#newer?.node
  }

  #writeAhead(newer: Newer): void {
    const { node, pen } = newer
    // One that knows of its own admission: before that nobody takes anything of it, itself included.
    const isMember = node.journal?.tables.get('nodes', node.id)?.state === 'member'
    if (newer.writing || !node.up || node.gone || !isMember) return
    newer.writing = true
    this.#world.note(`${node.name} writes what others do not know`)
    const others = this.#nodes.filter((one) => one !== node && !one.gone)
    pen
      .ahead(others, this.#workload.wish(undefined))
      // A disk that fails it, or a cut: it writes again another time.
      .catch(() => {})
      .finally(() => {
        newer.writing = false
      })
  }

  #lie(liar: SimNode): void {
    if (!liar.up || liar.gone) return
    this.#tellLie(liar, this.#world.random.weighted(LIES))
  }

  #tellLie(liar: SimNode, lie: Lie): void {
    if (this.#options.without?.includes(lie)) return
    this.#world.note(`${liar.name} lies: ${lie}`)
    const others = this.#nodes.filter((node) => node !== liar && !node.gone)
    const tables = liar.journal?.tables
    if (!tables?.get('projects', this.#workload.projects[0] as string)) return
    this.#liars
      .get(liar)
      ?.lie(lie, others, () => this.#workload.wish(lie === 'ignorant' ? undefined : tables))
    const bounds = { blocks: PARKED_BLOCKS_MAX, bytes: PARKED_BYTES_MAX }
    this.#world.schedule(500, 'bounds', () => this.#oracle.holdBounds(this.#nodes, bounds))
  }

  /** Somebody joins, leaves or is thrown out. */
  #change(): void {
    const { random } = this.#world
    const members = this.#nodes.filter(({ up, gone }) => up && !gone)
    const able = members.filter((one) => one !== this.#newer?.node)
    if (able.length === 0) return
    const node = random.pick(able)
    const ignore = () => {}
    if (random.chance(0.5)) {
      // Whom somebody admits who was thrown out meanwhile is nobody's member.
      const living = this.#nodes.filter(({ gone }) => !gone).length
      if (living >= NODES_MAX || this.#nodes.length >= NODES_EVER_MAX) return
      if (this.#oracle.excused.has(node.id) || this.#oracle.relapsed.has(node.id)) return
      this.#world.note(`${node.name} admits`)
      this.#join(node).catch(ignore)
    } else if (members.length > 3) {
      const other = random.pick(members)
      // The founder stays, so that there is always somebody to agree with.
      if (other === this.#nodes[0] || other === node || this.#sponsors.has(other)) return
      this.#world.note(`${node.name} evicts ${other.name}`)
      this.#oracle.excused.add(other.id)
      const compromised = random.chance(0.3)
      const until = random.chance(0.5) ? 'now' : random.integer(4)
      const acceptUntil = compromised || random.chance(0.2) ? until : null
      node.up?.acts.evict(other.id, { compromised, acceptUntil, reason: '' }, NODE_ITSELF).catch(ignore)
    }
  }

  async #join(issuer: SimNode, isFirst = false): Promise<void> {
    const { random } = this.#world
    const id = this.#keys.create()
    const seeds = this.#nodes.map(({ id, name }) => seedOf(id, name))
    const name = `n${this.#named++}`
    const invite = `invite-${id}`
    const { up } = issuer
    if (!up) return
    this.#sponsors.add(issuer)
    this.#oracle.admitted.add(id)
    this.#oracle.joined()
    const facts = { ...factsOf(name), addresses: [], swarm: [] }
    const by = isFirst || random.chance(0.5) ? NODE_ITSELF : this.#workload.sponsor(up.journal.tables)
    const approval = by !== NODE_ITSELF && random.chance(0.5)
    const request = { ttlSeconds: DAY_MS / 1000, role: 'anchor', scope: null, approval, days: null } as const
    const issued = { id: invite, verifier: 'v', expiresAt: issuer.clock.now() + DAY_MS }
    await up.admissions.record(issued, request, by)
    if (!(await this.#isLetIn(issuer, () => issuer.up?.admissions.admit(invite, id, facts)))) return
    await this.#add(id, name, seeds).boot()
  }

  /** Asks at the desk until a second consent was given, where one is needed. */
  async #isLetIn(issuer: SimNode, ask: () => Promise<unknown> | undefined): Promise<boolean> {
    for (let asks = 0; asks < ASKS_MAX; asks++) {
      const answer = issuer.up ? await ask() : 'pending'
      if (answer !== 'pending') return true
      await new Promise<void>((resolve) => {
        this.#world.schedule(ASK_MS, `${issuer.name} is asked again`, resolve)
      })
    }
    return false
  }

  #add(id: string, name: string, seeds: readonly Member[]): SimNode {
    const [world, wire, keys, witness] = [this.#world, this.#wire, this.#keys, this.#oracle]
    const common = { world, wire, keys, witness, genesis: this.#genesis }
    const pace = this.#keeping ? PACE : undefined
    const node = new SimNode({ ...common, id, name, clusterId: this.#cluster, seeds, pace })
    this.#nodes.push(node)
    return node
  }

  /** Lets time pass until it is done. */
  async #doing(task: Promise<unknown> | undefined): Promise<void> {
    let over = false
    task?.then(
      () => {
        over = true
      },
      (error: unknown) => this.#world.fail('no unhandled failure', describe(error)),
    )
    this.#world.schedule(0, 'go', () => {})
    await this.#world.run(() => over)
  }
}

export function simulate(options: RunOptions): Promise<Outcome> {
  return new Simulation(options).run()
}

function factsOf(name: string) {
  return {
    name,
    site: name,
    addresses: [],
    swarm: [],
    url: null,
    tokenKey: 'k'.repeat(43),
    sealKey: 's'.repeat(43),
  }
}

function seedOf(id: string, name: string): Member {
  const standing = { role: 'anchor', notAfter: null, sealKey: null, admittedBy: null } as const
  return { id, name, site: name, state: 'member', addresses: [], swarm: [], url: null, ...standing }
}
