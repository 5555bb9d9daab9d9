import { createHash } from 'node:crypto'
import type { NodeId } from '../../../cluster/network/network.ts'
import {
  DIALS_IN_VAIN_MAX,
  PEERS_PER_FETCH_MAX,
  REQUESTS_OPEN_MAX,
  STALL_MS,
  TEND_INTERVAL_MS,
} from '../../../cluster/swarm/limits.ts'
import { planFetch } from '../../../cluster/swarm/plan.ts'
import { pieceLengthOf } from '../../../cluster/swarm/torrent.ts'
import { type Digest, parseDigest } from '../../../src/oci/digest.ts'
import { EventHeap } from '../world/event-heap.ts'
import { SeededRandom } from '../world/random.ts'
import { Exchange } from './exchange.ts'
import { SimPeer } from './sim-peer.ts'
import type { Troubles } from './troubles.ts'

export interface Site {
  readonly name: string
  /** Nodes that lack the blob. */
  readonly fetchers: number
  readonly holders: number
  /** Bytes a second of each node, each way. */
  readonly up: number
  readonly down: number
}

export interface FleetInit {
  readonly seed: number
  readonly bytes: number
  readonly sites: readonly Site[]
  /** Between any two sites: bytes a second each way, and milliseconds there and back. */
  readonly link?: { readonly rate: number; readonly roundTripMs: number }
  /** Fetches begin at chance moments of so many milliseconds. */
  readonly spreadMs?: number
  readonly troubles?: Troubles
}

export interface FleetOutcome {
  /** Milliseconds from the first beginning to each end, in order. */
  readonly doneMs: readonly number[]
  /** Nodes that run and have not got the blob. */
  readonly unfinished: readonly NodeId[]
  /** What holders sent, in copies of the blob. */
  readonly copiesFromHolders: number
  /** What crossed from site to site, likewise. */
  readonly copiesBetweenSites: number
}

/** A node is connected to so many others at most: a fetch knows of no more. */
const KNOWN_MAX = 512
const BLOCK_BYTES = 16 * 1024
/** webtorrent's: a connection on which nothing of what was asked for comes is given up. */
const PIECE_TIMEOUT_MS = 30_000
const GIVE_UP_MS = 2 * 3_600_000

/**
 * One blob, pulled by a fleet. Plan, picker and the way holders show their pieces are the product's; sockets are
 * replaced by lines that carry one piece after the other, and every node knows at once what the others would tell it
 * when asked.
 */
export class Fleet {
  readonly #init: FleetInit
  readonly #random: SeededRandom
  readonly #heap = new EventHeap()
  readonly #exchange: Exchange
  readonly #digest: Digest
  readonly #peers: SimPeer[] = []
  readonly #known = new Map<SimPeer, readonly SimPeer[]>()
  readonly #fetchers: SimPeer[]
  readonly #holders: SimPeer[]
  #nowMs = 0
  #order = 0

  constructor(init: FleetInit) {
    this.#init = init
    this.#random = new SeededRandom(init.seed)
    this.#digest = parseDigest(`sha256:${createHash('sha256').update(String(init.seed)).digest('hex')}`)
    const pieceBytes = pieceLengthOf(init.bytes)
    const pieces = Math.ceil(init.bytes / pieceBytes)
    for (const { name, fetchers, holders, up, down } of init.sites) {
      for (let n = 0; n < fetchers + holders; n++) {
        const id = `${name}-${n}`
        this.#peers.push(new SimPeer({ id, site: name, up, down, pieces, whole: n >= fetchers }))
      }
    }
    this.#fetchers = this.#peers.filter(({ whole }) => !whole)
    this.#holders = this.#peers.filter(({ whole }) => whole)
    const aloneAhead = Math.ceil((REQUESTS_OPEN_MAX * BLOCK_BYTES) / pieceBytes)
    for (const holder of this.#holders) holder.startRevealing(aloneAhead, this.#random, () => this.#nowMs)
    this.#exchange = new Exchange({
      random: this.#random,
      pieceBytes,
      link: init.link,
      now: () => this.#nowMs,
      after: (ms, task) => this.after(ms, task),
      onLost: (peer) => this.#tend(peer),
      onPiece: (peer) => init.troubles?.onPiece?.(this, peer),
    })
  }

  get peers(): readonly SimPeer[] {
    return this.#peers
  }

  run(): FleetOutcome {
    for (const peer of this.#fetchers) {
      this.after(this.#random.between(0, this.#init.spreadMs ?? 1), () => this.#look(peer))
    }
    this.#init.troubles?.begin?.(this)
    while (this.#nowMs < GIVE_UP_MS && this.#fetchers.some((peer) => peer.alive && !peer.whole)) {
      const next = this.#heap.pop()
      if (!next) break
      this.#nowMs = next.atMs
      next.task?.()
    }
    const alive = this.#fetchers.filter((peer) => peer.alive)
    return {
      doneMs: alive.flatMap(({ doneAtMs }) => doneAtMs ?? []).sort((a, b) => a - b),
      unfinished: alive.filter(({ whole }) => !whole).map(({ id }) => id),
      copiesFromHolders: this.#holders.reduce((sum, { up }) => sum + up.bytes, 0) / this.#init.bytes,
      copiesBetweenSites: this.#exchange.bytesBetweenSites / this.#init.bytes,
    }
  }

  after(ms: number, task: () => void): void {
    this.#heap.push({ atMs: this.#nowMs + ms, order: this.#order++, label: '', task })
  }

  /** The node is gone, and whatever was under way to and from it. */
  kill(peer: SimPeer): void {
    peer.alive = false
    for (const other of peer.wires.keys()) this.#exchange.disconnect(peer, other)
  }

  /** It is there again, with what it had on its disk. */
  revive(peer: SimPeer): void {
    peer.alive = true
    peer.movedAtMs = this.#nowMs
    this.after(0, () => this.#look(peer))
  }

  /** As the product's fetch does: plans, dials, and looks again in a while. */
  #look(peer: SimPeer): void {
    if (!peer.alive || peer.whole) return
    for (const wire of peer.wires.values()) {
      wire.dry = false
      if (wire.asked.size === 0 || this.#nowMs - wire.movedAtMs < PIECE_TIMEOUT_MS) continue
      peer.inVain.set(wire.to, (peer.inVain.get(wire.to) ?? 0) + 1)
      this.#exchange.disconnect(peer, wire.to)
    }
    this.#tend(peer)
    this.after(TEND_INTERVAL_MS, () => this.#look(peer))
  }

  #tend(peer: SimPeer): void {
    if (!peer.alive || peer.whole) return
    const quietMs = this.#nowMs - peer.movedAtMs
    // A plan of what has not changed is the same plan: only a large fleet would notice the time it takes.
    if (!peer.begun || peer.wires.size < PEERS_PER_FETCH_MAX / 2 || quietMs > TEND_INTERVAL_MS) {
      this.#dial(peer, quietMs)
    }
    this.#exchange.ask(peer)
  }

  #dial(peer: SimPeer, quietMs: number): void {
    peer.begun = true
    const trusted = this.#knownTo(peer).filter((one) => one.alive && !peer.distrusted.has(one))
    const known = trusted.filter((one) => (peer.inVain.get(one) ?? 0) <= DIALS_IN_VAIN_MAX)
    const plan = planFetch({
      self: peer.id,
      site: peer.site,
      digest: this.#digest,
      peers: known.map(({ facts }) => facts),
      ingress: peer.ingress,
      quietMs,
    })
    peer.ingress = plan.role === 'ingress' && known.some(({ site }) => site !== peer.site)
    const byId = new Map(known.map((one) => [one.id, one]))
    const sources = plan.sources.flatMap((id) => byId.get(id) ?? [])
    // What a torrent does not bring is asked of every holder in turn, over a stream.
    if (quietMs > STALL_MS) sources.unshift(...trusted.filter(({ whole }) => whole))
    for (const other of sources) {
      if (peer.wires.size >= 2 * PEERS_PER_FETCH_MAX && quietMs <= STALL_MS) return
      if (!peer.wires.has(other)) this.#exchange.connect(peer, other)
    }
  }

  #knownTo(peer: SimPeer): readonly SimPeer[] {
    const known = this.#known.get(peer)
    if (known) return known
    const others = this.#peers.filter((one) => one !== peer)
    const some = others.length <= KNOWN_MAX ? others : this.#random.sample(others, KNOWN_MAX)
    this.#known.set(peer, some)
    return some
  }
}
