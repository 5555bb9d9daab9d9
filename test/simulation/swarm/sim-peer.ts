import type { NodeId } from '../../../cluster/network/network.ts'
import type { PlanPeer } from '../../../cluster/swarm/plan.ts'
import { Revealing } from '../../../cluster/swarm/revealing.ts'
import type { Random } from '../../../src/runtime/random.ts'
import { Line } from './line.ts'

/** What a peer does to others. `silent`: never gives what it says it has; `corrupt`: what it gives is wrong. */
export type Manner = 'honest' | 'silent' | 'corrupt'

/** One end of a connection of two peers in the simulated swarm. */
export interface Wire {
  readonly to: SimPeer
  /** Pieces asked of the other end and not here yet, and when each was asked for. */
  readonly asked: Map<number, number>
  /** When the other end last gave something. */
  movedAtMs: number
  /** There was nothing to ask for. */
  dry: boolean
  back: Wire | undefined
  /** What a holder has told of here; undefined where all is told. */
  told: Uint8Array | undefined
}

export interface PeerInit {
  readonly id: NodeId
  readonly site: string
  /** Bytes a second. */
  readonly up: number
  readonly down: number
  readonly pieces: number
  readonly whole: boolean
}

/** A node of the simulated swarm: what it has, whom it is connected to, what it was asked for. */
export class SimPeer {
  readonly id: NodeId
  readonly site: string
  readonly up: Line
  readonly down: Line
  readonly pieces: number
  readonly has: Uint8Array
  /** How many connected peers have each piece. */
  readonly holders: Uint16Array
  /** Of how many each piece was asked. */
  readonly asked: Uint8Array
  readonly wires = new Map<SimPeer, Wire>()
  readonly queue: { readonly from: SimPeer; readonly piece: number }[] = []
  /** Those that gave it wrong pieces. */
  readonly distrusted = new Set<SimPeer>()
  /** How often each was connected to without a piece coming. */
  readonly inVain = new Map<SimPeer, number>()
  manner: Manner = 'honest'
  count = 0
  firstMissing = 0
  ingress = false
  alive = true
  begun = false
  sending = false
  movedAtMs = 0
  doneAtMs: number | undefined
  revealing: Revealing<SimPeer> | undefined
  looksAgain = false

  constructor({ id, site, up, down, pieces, whole }: PeerInit) {
    this.id = id
    this.site = site
    this.up = new Line(up)
    this.down = new Line(down)
    this.pieces = pieces
    this.has = new Uint8Array(pieces).fill(whole ? 1 : 0)
    this.holders = new Uint16Array(pieces)
    this.asked = new Uint8Array(pieces)
    if (whole) this.count = pieces
  }

  get whole(): boolean {
    return this.count === this.pieces
  }

  /** What another node knows of it. */
  get facts(): PlanPeer {
    return { id: this.id, site: this.site, have: this.whole ? 'whole' : 'part', ingress: this.ingress }
  }

  startRevealing(aloneAhead: number, random: Random, now: () => number): void {
    this.revealing = new Revealing(this.pieces, aloneAhead, random, { monotonic: now })
  }

  /** The numbers of the pieces it has. */
  *numbers(): Iterable<number> {
    for (let piece = 0; piece < this.pieces; piece++) if (this.has[piece]) yield piece
  }

  connect(other: SimPeer, nowMs: number): void {
    const there = this.#attach(other, nowMs)
    const back = other.#attach(this, nowMs)
    there.back = back
    back.back = there
    if (other.revealing) there.told = new Uint8Array(this.pieces)
  }

  #attach(to: SimPeer, nowMs: number): Wire {
    const wire: Wire = {
      to,
      asked: new Map(),
      movedAtMs: nowMs,
      dry: false,
      back: undefined,
      told: undefined,
    }
    this.wires.set(to, wire)
    for (const piece of to.numbers()) this.holders[piece] = (this.holders[piece] ?? 0) + 1
    return wire
  }

  disconnect(other: SimPeer): void {
    const wire = this.wires.get(other)
    if (!wire) return
    this.wires.delete(other)
    for (const piece of wire.asked.keys()) this.asked[piece] = (this.asked[piece] ?? 1) - 1
    for (const piece of other.numbers()) this.holders[piece] = (this.holders[piece] ?? 1) - 1
    for (const each of this.wires.values()) each.dry = false
  }
}
