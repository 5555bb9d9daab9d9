import type { ReplicationParts } from '../../cluster/ledger/replication.ts'
import { PARKED_BLOCKS_MAX, PARKED_BYTES_MAX } from '../../cluster/limits.ts'
import { NODE_ITSELF } from '../../src/access/principal.ts'
import { isFault } from '../../src/errors.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../../src/journal/genesis.ts'
import { AUTHORITY } from '../../src/journal/op.ts'
import { LIES, Liar, type Lie } from './hostile.ts'
import { Nemesis } from './nemesis.ts'
import { Wire } from './network/wire.ts'
import type { SimNode } from './node.ts'
import { Oracle } from './oracle.ts'
import { factsOf, Population } from './population.ts'
import { RecoveryKey } from './recovery.ts'
import { LULL_MS, NODES_EVER_MAX, Settling } from './settling.ts'
import { Keys } from './signatures.ts'
import { type Request, Workload } from './workload.ts'
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
  readonly #keys: Keys
  readonly #oracle: Oracle
  readonly #nemesis: Nemesis
  readonly #workload: Workload
  readonly #options: RunOptions
  readonly #cluster: string
  readonly #genesis: Uint8Array
  readonly #population: Population
  /** Lanes are snapshotted and pruned. */
  readonly #keeping: boolean
  readonly #settling: Settling
  #steps = 0
  readonly #liars = new Map<SimNode, Liar>()
  /** Of a later version than the others. All it writes is what they do not know. */
  #newer: Newer | undefined

  constructor(options: RunOptions) {
    this.#options = options
    this.#world = new World(options.seed, options.without, options.onEvent)
    const { random } = this.#world
    const wire = new Wire(this.#world)
    this.#keys = new Keys(random.fork())
    this.#nemesis = new Nemesis(this.#world, wire, (node) => this.#restored(node))
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
    this.#oracle.onInstalling = (node) => this.#nemesis.ambush(node, 'installing')
    this.#oracle.onReviewing = (node) => this.#nemesis.ambush(node, 'reviewing')
    this.#oracle.admitted.add(founder)
    this.#population = new Population({
      world: this.#world,
      wire,
      keys: this.#keys,
      oracle: this.#oracle,
      workload: this.#workload,
      genesis: this.#genesis,
      clusterId: this.#cluster,
      pace: this.#keeping ? PACE : undefined,
    })
    this.#population.add(founder, 'n0', [])
    this.#settling = new Settling({
      world: this.#world,
      oracle: this.#oracle,
      nemesis: this.#nemesis,
      workload: this.#workload,
      population: this.#population,
      recovery: RECOVERY,
      keeping: this.#keeping,
      ask: () => this.#ask(),
      liar: () => [...this.#liars.keys()][0],
      tell: (liar, lie) => this.#tellLie(liar, lie),
    })
  }

  get #nodes(): readonly SimNode[] {
    return this.#population.nodes
  }

  async run(): Promise<Outcome> {
    const onRejection = (error: unknown) => this.#world.fail('no unhandled failure', describe(error))
    process.on('unhandledRejection', onRejection)
    try {
      await this.#found()
      await this.#step()
      await this.#settling.settle()
    } finally {
      process.off('unhandledRejection', onRejection)
      for (const node of this.#nodes) node.crash()
      this.#world.end()
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
    await this.#world.until(founder.boot())
    const facts = factsOf(founder.id, founder.name)
    await this.#world.until(
      founder.journal?.commit(AUTHORITY, () => foundingOps(this.#genesis, founder.id, facts)),
    )
    await this.#world.until(this.#workload.lay(founder))
    while (this.#nodes.length < count) await this.#world.until(this.#population.join(founder, true))
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
          this.#settling.backUp(this.#asked())
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
    const up = this.#asked()
    if (up.length === 0) return
    const { random } = this.#world
    const node = random.pick(up)
    const request = this.#workload.next()
    // At several sites before one has heard of the other, or nobody could ever lose the last administrator.
    const sites = request === 'oust' ? random.sample(up, 1 + random.integer(up.length)) : [node]
    for (const site of sites) this.#askAt(site, request)
  }

  #askAt(node: SimNode, request: Request): void {
    this.#world.note(`${node.name}: ${request}`)
    this.#workload.request(request, node).then(
      () => this.#world.note(`${node.name}: ${request} done`),
      (error: unknown) => {
        if (!isFault(error)) this.#world.fail('no unhandled failure', `${request}: ${describe(error)}`)
      },
    )
  }

  #asked(): SimNode[] {
    return this.#nodes.filter((node) => this.#isAsked(node))
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
      this.#population.join(node).catch(ignore)
    } else if (members.length > 3) {
      const other = random.pick(members)
      // The founder stays, so that there is always somebody to agree with.
      if (other === this.#nodes[0] || other === node || this.#population.sponsors.has(other)) return
      this.#world.note(`${node.name} evicts ${other.name}`)
      this.#oracle.excused.add(other.id)
      const compromised = random.chance(0.3)
      const until = random.chance(0.5) ? 'now' : random.integer(4)
      const acceptUntil = compromised || random.chance(0.2) ? until : null
      node.up?.acts.evict(other.id, { compromised, acceptUntil, reason: '' }, NODE_ITSELF).catch(ignore)
    }
  }
}

export function simulate(options: RunOptions): Promise<Outcome> {
  return new Simulation(options).run()
}
