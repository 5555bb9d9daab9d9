import { isFault } from '../../src/errors.ts'
import { SOUND_DISK } from './disk.ts'
import { SOUND_WIRE, type Wire } from './network/wire.ts'
import type { SimNode } from './node.ts'
import type { SortedRows } from './sorted-rows.ts'
import type { SeededRandom } from './world/random.ts'
import { describe, type World } from './world/world.ts'

export const FAULTS = {
  split: 6,
  'one-way': 4,
  bridge: 2,
  ring: 2,
  clog: 2,
  isolate: 5,
  crash: 8,
  blackout: 1,
  'disk-full': 3,
  'disk-error': 3,
  'disk-slow': 2,
  'clock-jump': 3,
  'clock-strobe': 2,
  'wire-lossy': 4,
  'wire-corrupt': 2,
  'wire-noise': 3,
  'wire-slow': 2,
  absence: 2,
  restore: 4,
  relapse: 4,
}
export type FaultName = keyof typeof FAULTS

/** In how many runs power goes just then; a snapshot is put in a lane's place in few runs, and mostly once. */
const AMBUSHES = { reviewing: 0.3, installing: 0.7 }
export type Moment = keyof typeof AMBUSHES

/** From a flicker to longer than it takes for dead links to be noticed. */
const DURATION_MS: readonly [number, number] = [200, 12_000]
/** Until somebody has seen that a node did not start. */
const AGAIN_MS = 500
const TEN_YEARS_MS = 10 * 365 * 86_400_000

/** Breaks what can break, for a while, and mends it. */
export class Nemesis {
  readonly #world: World
  readonly #wire: Wire
  readonly #random: SeededRandom
  readonly #onRestored: (node: SimNode) => void
  readonly #weights: Record<FaultName, number>
  readonly #lurking: ReadonlySet<Moment>

  /** @param onRestored told of a node that is about to start from an old copy of its disk */
  constructor(world: World, wire: Wire, onRestored: (node: SimNode) => void) {
    this.#world = world
    this.#onRestored = onRestored
    this.#wire = wire
    this.#random = world.random.fork()
    // Each run has a few kinds of fault only: with all at once, none has room to do its worst.
    const chosen = this.#random.sample(Object.keys(FAULTS) as FaultName[], 1 + this.#random.integer(6))
    const weights = Object.entries(FAULTS).map(([name, weight]) => [
      name,
      chosen.includes(name as FaultName) ? weight : 0,
    ])
    this.#weights = Object.fromEntries(weights) as Record<FaultName, number>
    const moments = Object.keys(AMBUSHES) as Moment[]
    this.#lurking = new Set(moments.filter((moment) => this.#random.chance(AMBUSHES[moment])))
  }

  /** Power goes in the very moment in which something late is decided again, or a snapshot is put in place. */
  ambush(node: SimNode, moment: Moment): void {
    if (this.#lurking.has(moment) && this.#random.chance(0.5))
      this.#world.schedule(this.#random.between(0, 1), `nemesis: ambush ${node.name}`, () =>
        this.#crash([node]),
      )
  }

  strike(nodes: readonly SimNode[]): void {
    const random = this.#random
    const fault = random.weighted(this.#weights)
    const victim = random.pick(nodes)
    const shuffled = random.sample(nodes, nodes.length)
    const half = 1 + random.integer(Math.max(1, nodes.length - 1))
    const [left, right] = [shuffled.slice(0, half), shuffled.slice(half)]
    this.#world.note(`nemesis: ${fault} ${victim.name}`)
    switch (fault) {
      case 'split':
        return this.#cut([...across(left, right), ...across(right, left)])
      case 'one-way':
        return this.#cut(across(left, right))
      case 'isolate': {
        const rest = nodes.filter((node) => node !== victim)
        return this.#cut([...across([victim], rest), ...across(rest, [victim])])
      }
      case 'bridge': {
        // Two halves that meet in one node only.
        const [bridge, ...others] = shuffled
        const middle = Math.ceil(others.length / 2)
        const [one, two] = [others.slice(0, middle), others.slice(middle)]
        return bridge ? this.#cut([...across(one, two), ...across(two, one)]) : undefined
      }
      case 'ring':
        return this.#cut(beyondNeighbours(shuffled))
      case 'clog':
        return this.#clog(shuffled)
      case 'crash':
        return this.#crash([victim])
      case 'absence': {
        // Whatever the others do meanwhile; the end of the run brings it back.
        victim.crash()
        return
      }
      case 'blackout':
        return this.#crash(nodes)
      case 'restore':
        return this.#restore(victim)
      case 'relapse':
        return this.#relapse(shuffled)
      case 'disk-full':
        return this.#during(
          () => Object.assign(victim.disk.faults, { full: true }),
          () => this.#mend(victim),
        )
      case 'disk-error':
        return this.#during(
          () => Object.assign(victim.disk.faults, { eio: 0.3 }),
          () => this.#mend(victim),
        )
      case 'disk-slow':
        return this.#during(
          () => Object.assign(victim.disk.faults, { syncMs: [50, 800] }),
          () => this.#mend(victim),
        )
      case 'clock-jump':
        victim.clock.skewMs = random.pick([5e3, -5e3, 3.6e6, -3.6e6, TEN_YEARS_MS, -TEN_YEARS_MS])
        return
      case 'clock-strobe':
        victim.clock.strobeMs = random.pick([0, 200, 1e6])
        return
      case 'wire-lossy':
        return this.#during(
          () => Object.assign(this.#wire.faults, { drop: 0.4, duplicate: 0.3, delayMs: [1, 150] }),
          () => this.#calm(),
        )
      case 'wire-noise':
        // Gossip is lost and conversations break, while every link stays up.
        return this.#during(
          () => Object.assign(this.#wire.faults, { drop: 0.8, corruptGossip: 0.3, corruptChannel: 0.5 }),
          () => this.#calm(),
        )
      case 'wire-slow':
        return this.#during(
          () => Object.assign(this.#wire.faults, { delayMs: [100, 1500] }),
          () => this.#calm(),
        )
      default:
        return this.#during(
          () =>
            Object.assign(this.#wire.faults, {
              corruptGossip: 0.3,
              corruptChannel: random.pick([0.05, 0.5]),
            }),
          () => this.#calm(),
        )
    }
  }

  /** Everything works again; clocks stay wrong, for nothing may depend on them. */
  healAll(nodes: readonly SimNode[]): void {
    this.#wire.healAll()
    this.#calm()
    for (const node of nodes) {
      this.#mend(node)
      this.#start(node)
    }
  }

  #during(begin: () => unknown, end: () => void): void {
    begin()
    this.#later('mended', end)
  }

  #later(what: string, task: () => void): void {
    // Short ones are as frequent as long ones of ten times the length.
    const [low, high] = DURATION_MS
    const ms = low * (high / low) ** this.#random.fraction()
    this.#world.schedule(ms, `nemesis: ${what}`, task)
  }

  #cut(links: readonly (readonly [SimNode, SimNode])[]): void {
    this.#later('healed', this.#apart(links))
  }

  /** @returns what brings them together again */
  #apart(links: readonly (readonly [SimNode, SimNode])[]): () => void {
    for (const [from, to] of links) this.#wire.cut(from.id, to.id)
    return () => {
      for (const [from, to] of links) this.#wire.heal(from.id, to.id)
    }
  }

  /** Cuts node after node off, and lets them back in another order. */
  #clog(nodes: readonly SimNode[]): void {
    for (const node of nodes) {
      const rest = nodes.filter((one) => one !== node)
      const links = [...across([node], rest), ...across(rest, [node])]
      this.#world.schedule(this.#random.between(0, 2000), `nemesis: clogs ${node.name}`, () =>
        this.#cut(links),
      )
    }
  }

  #crash(nodes: readonly SimNode[]): void {
    for (const node of nodes) {
      node.crash()
      this.#later(`${node.name} restarts`, () => this.#start(node))
    }
  }

  /** An operator puts an old backup in place of a node's disk. */
  #restore(node: SimNode): void {
    const backup = node.disk.rows.copy()
    this.#later(`${node.name} is restored`, () => this.putBack(node, backup))
  }

  /** A node goes on from an old copy of its disk. */
  putBack(node: SimNode, backup: SortedRows): void {
    if (node.gone) return
    node.crash()
    node.disk.rows = backup
    this.#onRestored(node)
    this.#start(node)
  }

  /** Restored, and whoever knows what it wrote since then is out of its reach. */
  #relapse(nodes: readonly SimNode[]): void {
    const [node, witness, ...rest] = nodes
    if (!node || !witness || rest.length === 0) return
    const backup = node.disk.rows.copy()
    const both = (left: readonly SimNode[], right: readonly SimNode[]) => [
      ...across(left, right),
      ...across(right, left),
    ]
    const healing = this.#apart(both([node, witness], rest))
    this.#later(`${node.name} relapses`, () => {
      if (node.gone) return
      healing()
      this.#cut(both([witness], [node, ...rest]))
      this.putBack(node, backup)
    })
  }

  #start(node: SimNode): void {
    if (node.up || node.gone) return
    void node.boot().catch((error: unknown) => {
      // What a node cannot write as it starts is for who starts it again.
      if (isFault(error, 'STORE_WRITE_FAILED') || isFault(error, 'STORAGE_FULL')) {
        node.crash()
        this.#world.schedule(AGAIN_MS, `${node.name} is started again`, () => this.#start(node))
        return
      }
      this.#world.fail('I1 a node opens after any crash', `${node.name}: ${describe(error)}`)
    })
  }

  #mend(node: SimNode): void {
    node.disk.faults = { ...SOUND_DISK }
  }

  #calm(): void {
    this.#wire.faults = { ...SOUND_WIRE }
  }
}

function across(from: readonly SimNode[], to: readonly SimNode[]): [SimNode, SimNode][] {
  return from.flatMap((one) => to.map((other): [SimNode, SimNode] => [one, other]))
}

/** Everybody hears the neighbours only: each sees a majority, no two the same one. */
function beyondNeighbours(nodes: readonly SimNode[]): [SimNode, SimNode][] {
  const isNear = (a: number, b: number) => {
    const apart = Math.abs(a - b)
    return apart <= 1 || apart === nodes.length - 1
  }
  return nodes.flatMap((one, a) =>
    nodes.flatMap((two, b): [SimNode, SimNode][] => (isNear(a, b) ? [] : [[one, two]])),
  )
}
