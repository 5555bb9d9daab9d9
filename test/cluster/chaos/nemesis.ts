import { setTimeout as sleep } from 'node:timers/promises'
import type { Way } from '../../support/network.ts'
import { type ChaosCluster, SMALL } from './cluster.ts'
import type { History } from './history.ts'
import { PARTITIONS, type Partition } from './partitions.ts'
import type { Weather } from './relay.ts'
import type { Seeded } from './seeded.ts'

type LineFault = 'partition' | 'flap' | 'link' | 'weather' | 'rate'
type NodeFault = 'kill' | 'pause' | 'clock' | 'jump' | 'disk'

const LINE_FAULTS: Readonly<Record<LineFault, number>> = {
  partition: 8,
  flap: 2,
  link: 2,
  weather: 5,
  rate: 3,
}
const NODE_FAULTS: Readonly<Record<NodeFault, number>> = { kill: 7, pause: 4, clock: 3, jump: 2, disk: 3 }
/** Each must occur in a run of some length: what never struck has shown nothing. */
export const FAULT_KINDS = [
  'kill',
  'pause',
  'clock',
  'jump',
  'disk full',
  'disk tight',
  'link',
  'flap',
  'rate',
  'weather delay',
  'weather loss',
  'weather corruption',
  'weather reset',
  'partition both ways',
  'partition one way',
] as const
type FaultKind = (typeof FAULT_KINDS)[number]

const PARTITION_NAMES = Object.keys(PARTITIONS) as Partition[]
const MINUTE = 60
const DAY = 24 * 60 * MINUTE
/** Seconds a clock may be off: a lazy one, a wrong time zone, a battery that died, a typing error. */
const OFFSETS = [5, -5, 61, -61, 60 * MINUTE, -60 * MINUTE, DAY, -DAY, 365 * DAY, 3650 * DAY]
const HOLD_MS = { from: 500, to: 6000 }
const BREATH_MS = { from: 200, to: 1500 }
/** Room that a full disk leaves: none, less than a manifest, less than LevelDB's reserve, a little more than that. */
const ROOM = [0, 4 * 1024, 8 * 1024 * 1024, 20 * 1024 * 1024]

/**
 * Breaks what can break: one hand at the lines, one at the nodes, so that a node may be killed while it is cut
 * off. All that it does comes from its seed; when it has ended, nothing it did is left.
 */
export class Nemesis {
  readonly #cluster: ChaosCluster
  readonly #history: History
  readonly #random: Seeded
  readonly #kinds = new Map<string, number>()
  #faults = 0

  constructor(parts: { cluster: ChaosCluster; history: History; random: Seeded }) {
    this.#cluster = parts.cluster
    this.#history = parts.history
    this.#random = parts.random
  }

  /** Faults done so far. */
  get faults(): number {
    return this.#faults
  }

  /** How often each kind struck. */
  get kinds(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#kinds)
  }

  /** Rages until `signal`. */
  async rage(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#hand(this.#random.fork('lines'), signal, (random) => this.#line(random, signal)),
      this.#hand(this.#random.fork('nodes'), signal, (random) => this.#node(random, signal)),
    ])
  }

  async #hand(random: Seeded, signal: AbortSignal, strike: (random: Seeded) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      await pause(random.between(BREATH_MS.from, BREATH_MS.to), signal)
      if (signal.aborted) return
      this.#faults += 1
      await strike(random)
    }
  }

  async #line(random: Seeded, signal: AbortSignal): Promise<void> {
    const { network, relay, nodes } = this.#cluster
    const indices = nodes.map((_, index) => index)
    const fault = random.weighted(LINE_FAULTS)
    const hold = random.between(HOLD_MS.from, HOLD_MS.to)
    switch (fault) {
      case 'partition': {
        const name = random.pick(PARTITION_NAMES)
        const ways = PARTITIONS[name](indices, random)
        this.#strike(
          isOneWay(ways) ? 'partition one way' : 'partition both ways',
          `${name} ${ways.map(({ from, to }) => `${from + 1}>${to + 1}`).join(' ')}`,
        )
        await network.cut(ways)
        await pause(hold, signal)
        return this.#undo(fault, () => network.cut([]))
      }
      case 'flap': {
        const ways = PARTITIONS.isolate(indices, random)
        this.#strike(fault, `${ways.length} ways, down and up`)
        for (let left = hold; left > 0 && !signal.aborted; left -= 600) {
          await network.cut(ways)
          await pause(300, signal)
          await network.cut([])
          await pause(300, signal)
        }
        return
      }
      case 'link': {
        const node = random.pick(indices)
        this.#strike(fault, `n${node + 1} has no link`)
        await network.link(node, 'down')
        await pause(hold, signal)
        return this.#undo(fault, () => network.link(node, 'up'))
      }
      case 'weather': {
        const ways = indices.flatMap((from) =>
          indices.filter((to) => to !== from && random.chance(0.5)).map((to) => `${from}>${to}`),
        )
        const weather: Weather = {
          delayMs: random.between(0, 300),
          jitterMs: random.between(0, 200),
          loss: random.pick([0, 0.01, 0.1, 0.3]),
          corrupt: random.pick([0, 0, 0, 0.01]),
        }
        const reset = random.chance(0.3) ? [random.pick(indices)] : []
        if (weather.loss > 0) this.#count('weather loss')
        if (weather.corrupt > 0) this.#count('weather corruption')
        if (reset.length > 0) this.#count('weather reset')
        this.#strike(
          'weather delay',
          `${JSON.stringify(weather)} on ${ways.join(' ')}; reset ${reset.map((node) => node + 1).join(' ')}`,
        )
        relay.weather(new Map(ways.map((way) => [way, weather])), reset)
        await pause(hold, signal)
        return this.#undo(fault, async () => relay.weather(new Map()))
      }
      case 'rate': {
        const node = random.pick(indices)
        const kilobits = random.pick([64, 256, 1000])
        this.#strike(fault, `n${node + 1} at ${kilobits} kbit/s`)
        await network.rate(node, kilobits)
        await pause(hold, signal)
        return this.#undo(fault, () => network.rate(node, undefined))
      }
      default:
    }
  }

  async #node(random: Seeded, signal: AbortSignal): Promise<void> {
    const { nodes, disk } = this.#cluster
    const fault = random.weighted(NODE_FAULTS)
    const hold = random.between(HOLD_MS.from, HOLD_MS.to)
    const chosen = random.shuffled(nodes).slice(0, Number(random.weighted({ 1: 7, 2: 3, 5: 1 })))
    const names = chosen.map(({ name }) => name).join(' ')
    switch (fault) {
      case 'kill':
        this.#strike(fault, names)
        await Promise.all(chosen.map((node) => node.kill()))
        await pause(Math.floor(hold / 3), signal)
        return this.#undo(fault, () => Promise.all(chosen.map((node) => node.start())))
      case 'pause':
        this.#strike(fault, names)
        for (const node of chosen) node.pause()
        await pause(hold, signal)
        return this.#undo(fault, async () => {
          for (const node of chosen) node.resume()
        })
      case 'clock': {
        const offset = random.pick(OFFSETS)
        this.#strike(fault, `${names} by ${offset} s`)
        await Promise.all(chosen.map((node) => node.setClock(offset)))
        await pause(hold, signal)
        return this.#undo(fault, () => Promise.all(chosen.map((node) => node.setClock(0))))
      }
      case 'jump': {
        this.#strike(fault, `${names} to and fro`)
        for (let left = hold; left > 0 && !signal.aborted; left -= 400) {
          for (const node of chosen) await node.setClock(random.pick([0, 3, -3, 30, -30, 600, -600]))
          await pause(400, signal)
        }
        return this.#undo(fault, () => Promise.all(chosen.map((node) => node.setClock(0))))
      }
      case 'disk': {
        const room = random.pick(ROOM)
        this.#strike(
          room <= (ROOM[1] ?? 0) ? 'disk full' : 'disk tight',
          `n${SMALL + 1} has ${room} bytes left`,
        )
        await disk.fill(room)
        await pause(hold, signal)
        return this.#undo(fault, () => disk.empty())
      }
      default:
    }
  }

  #note(fault: string, what: string): void {
    this.#history.fault(fault, what)
  }

  #count(kind: FaultKind): void {
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1)
  }

  #strike(kind: FaultKind, what: string): void {
    this.#count(kind)
    this.#note(kind.split(' ')[0] as string, what)
  }

  async #undo(fault: string, task: () => Promise<unknown>): Promise<void> {
    await task().catch((error: unknown) => this.#note(fault, `could not be undone: ${String(error)}`))
    this.#note(fault, 'over')
  }
}

/** Waits, or less when `signal` comes. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {})
}

function isOneWay(ways: readonly Way[]): boolean {
  return ways.some(({ from, to }) => !ways.some((way) => way.from === to && way.to === from))
}
