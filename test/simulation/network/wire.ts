import type { NodeId } from '../../../cluster/network/network.ts'
import type { SeededRandom } from '../world/random.ts'
import type { World } from '../world/world.ts'
import type { SimChannel } from './sim-channel.ts'
import type { SimNetwork } from './sim-network.ts'

/** How the links misbehave for a while. */
export interface WireFaults {
  delayMs: readonly [low: number, high: number]
  /** Shares of gossip messages and, last, of channel messages. */
  drop: number
  duplicate: number
  corruptGossip: number
  corruptChannel: number
}

export const SOUND_WIRE: WireFaults = {
  delayMs: [0.5, 15],
  drop: 0,
  duplicate: 0,
  corruptGossip: 0,
  corruptChannel: 0,
}

/** How often somebody looks for members it has no connection to. */
const REDIAL_MS: readonly [number, number] = [250, 1500]
/** A link that swallows everything is noticed by its pings, within about three of them. */
const DEAD_LINK_MS: readonly [number, number] = [2000, 15_000]
/** A process that goes has its connections reset by its machine. */
const RESET_MS = 30

/** Two nodes that hear each other, until the link has been dead for too long. */
export interface Connection {
  readonly ends: readonly [SimNetwork, SimNetwork]
  readonly channels: Set<SimChannel>
  /** What a cut holds back; a link that comes back in time delivers it, as TCP does. */
  stalled: { from: NodeId; deliver: () => void }[]
  open: boolean
}

/** All links between all nodes, and what is wrong with them. */
export class Wire {
  faults: WireFaults = { ...SOUND_WIRE }
  readonly world: World
  readonly random: SeededRandom
  readonly #ends = new Map<NodeId, SimNetwork>()
  readonly #connections = new Map<string, Connection>()
  /** `from>to`: nothing gets through in that direction. */
  readonly #cuts = new Set<string>()

  constructor(world: World) {
    this.world = world
    this.random = world.random.fork()
  }

  plug(end: SimNetwork): void {
    this.#ends.set(end.self, end)
    this.#redial(end)
  }

  /** The process behind it is gone. */
  unplug(end: SimNetwork): void {
    this.#ends.delete(end.self)
    for (const connection of this.#connections.values()) {
      const other = otherEnd(connection, end)
      if (!connection.ends.includes(end)) continue
      if (!this.isCut(end.self, other.self)) {
        this.world.schedule(this.random.between(1, RESET_MS), `${other.self} reset`, () =>
          this.close(connection),
        )
      } else this.#watch(connection)
    }
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cuts.add(`${from}>${to}`)
    const connection = this.connection(from, to)
    if (connection) this.#watch(connection)
  }

  heal(from: NodeId, to: NodeId): void {
    this.#cuts.delete(`${from}>${to}`)
    const connection = this.connection(from, to)
    if (!connection) return
    const late = connection.stalled.filter((one) => one.from === from)
    connection.stalled = connection.stalled.filter((one) => one.from !== from)
    for (const { deliver } of late) deliver()
  }

  healAll(): void {
    for (const cut of this.#cuts) {
      const [from = '', to = ''] = cut.split('>')
      this.heal(from, to)
    }
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts.has(`${from}>${to}`)
  }

  connection(a: NodeId, b: NodeId): Connection | undefined {
    return this.#connections.get(pairOf(a, b))
  }

  connectionsOf(node: NodeId): NodeId[] {
    const others: NodeId[] = []
    for (const { ends } of this.#connections.values()) {
      const [one, two] = ends
      if (one.self === node) others.push(two.self)
      else if (two.self === node) others.push(one.self)
    }
    return others.sort()
  }

  end(node: NodeId): SimNetwork | undefined {
    return this.#ends.get(node)
  }

  /** The process at that end of the connection is the one that made it. */
  isLive({ ends }: Connection, node: NodeId): boolean {
    return ends.some((end) => end.self === node && this.#ends.get(node) === end)
  }

  delayMs(): number {
    return this.random.between(...this.faults.delayMs)
  }

  close(connection: Connection): void {
    if (!connection.open) return
    connection.open = false
    const [one, two] = connection.ends
    this.#connections.delete(pairOf(one.self, two.self))
    connection.stalled = []
    for (const channel of connection.channels) channel.broke()
    for (const [end, peer] of [
      [one, two],
      [two, one],
    ] as const) {
      if (this.#ends.get(end.self) === end) end.told(peer.self, 'down')
    }
  }

  /** Closes a connection that is still cut, or whose other process is gone, once that has been noticed. */
  #watch(connection: Connection): void {
    const [one, two] = connection.ends
    this.world.schedule(this.random.between(...DEAD_LINK_MS), `ping ${one.self} ${two.self}`, () => {
      const gone = connection.ends.some((end) => this.#ends.get(end.self) !== end)
      if (gone || this.isCut(one.self, two.self) || this.isCut(two.self, one.self)) this.close(connection)
    })
  }

  /** Dials whom it knows and has no connection to, again and again as long as it is plugged in. */
  #redial(end: SimNetwork): void {
    this.world.schedule(this.random.between(...REDIAL_MS), `${end.self} dials`, () => {
      if (this.#ends.get(end.self) !== end) return
      for (const peer of end.acquaintances()) this.#dial(end, peer)
      this.#redial(end)
    })
  }

  #dial(end: SimNetwork, peer: NodeId): void {
    const other = this.#ends.get(peer)
    if (!other || this.connection(end.self, peer)) return
    if (this.isCut(end.self, peer) || this.isCut(peer, end.self)) return
    if (!end.admits(peer) || !other.admits(end.self)) return
    const connection: Connection = { ends: [end, other], channels: new Set(), stalled: [], open: true }
    this.#connections.set(pairOf(end.self, peer), connection)
    end.told(peer, 'up')
    this.world.schedule(this.delayMs(), `${peer} accepts ${end.self}`, () => {
      if (connection.open) other.told(end.self, 'up')
    })
  }
}

export function otherEnd({ ends }: Connection, end: SimNetwork): SimNetwork {
  return ends[0] === end ? ends[1] : ends[0]
}

function pairOf(a: NodeId, b: NodeId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
