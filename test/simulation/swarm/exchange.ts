import { choosePiece } from '../../../cluster/swarm/picker.ts'
import { LOOK_AGAIN_MS, type Shown } from '../../../cluster/swarm/revealing.ts'
import type { SeededRandom } from '../world/random.ts'
import { Line } from './line.ts'
import type { SimPeer, Wire } from './sim-peer.ts'

export interface ExchangeInit {
  readonly random: SeededRandom
  readonly pieceBytes: number
  /** Between two sites: bytes a second each way, and milliseconds there and back. */
  readonly link: { readonly rate: number; readonly roundTripMs: number } | undefined
  readonly now: () => number
  readonly after: (ms: number, task: () => void) => void
  /** A peer has lost a connection. */
  readonly onLost: (peer: SimPeer) => void
  readonly onPiece: (peer: SimPeer) => void
}

/** Pieces asked of one peer at a time; the product asks for what comes in a second. */
const ASKED_MAX = 2
const NEAR_ROUND_TRIP_MS = 0.5
/** What hangs so long on one connection is asked of another that has nothing else to give. */
const HANGS_MS = 10_000

/** Who asks whom for which piece, and how it gets there. */
export class Exchange {
  readonly #init: ExchangeInit
  readonly #links = new Map<string, Line>()

  constructor(init: ExchangeInit) {
    this.#init = init
  }

  get bytesBetweenSites(): number {
    return [...this.#links.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }

  connect(peer: SimPeer, other: SimPeer): void {
    peer.connect(other, this.#init.now())
    if (other.revealing) this.#tell(other, other.revealing.joined(peer, peer.numbers()))
  }

  disconnect(peer: SimPeer, other: SimPeer): void {
    peer.disconnect(other)
    other.disconnect(peer)
    for (const [one, two] of [
      [peer, other],
      [other, peer],
    ] as const) {
      if (one.revealing) this.#tell(one, one.revealing.left(two))
      if (one.alive && !one.whole) this.#init.after(0, () => this.#init.onLost(one))
    }
  }

  ask(peer: SimPeer): void {
    for (const wire of peer.wires.values()) this.#askOf(peer, wire)
  }

  #askOf(peer: SimPeer, wire: Wire): void {
    const { to: other, told } = wire
    if (peer.wires.get(other) !== wire || wire.dry) return
    if (!peer.alive || peer.whole || (other.site !== peer.site && !peer.ingress)) return
    while (peer.has[peer.firstMissing]) peer.firstMissing++
    const seen = told ?? other.has
    while (wire.asked.size < ASKED_MAX) {
      const piece = choosePiece(
        {
          pieceCount: peer.pieces,
          front: undefined,
          overdue: false,
          firstMissing: peer.firstMissing,
          begun: [],
          shared: peer.wires.size > 1,
          share: undefined,
          isOpen: (piece) => seen[piece] === 1 && peer.has[piece] === 0 && peer.asked[piece] === 0,
          holders: (piece) => peer.holders[piece] ?? 0,
        },
        this.#init.random,
      )
      const chosen = piece >= 0 ? piece : this.#hanging(peer, wire)
      if (chosen === undefined) {
        wire.dry = true
        return
      }
      if (wire.asked.size === 0) wire.movedAtMs = this.#init.now()
      wire.asked.set(chosen, this.#init.now())
      peer.asked[chosen] = (peer.asked[chosen] ?? 0) + 1
      this.#init.after(this.#roundTripMs(peer, other) / 2, () => {
        if (!other.alive || peer.wires.get(other) !== wire || other.manner === 'silent') return
        other.queue.push({ from: peer, piece: chosen })
        this.#send(other)
      })
    }
  }

  /** A piece the other end has and that was asked of somebody else long ago. */
  #hanging(peer: SimPeer, wire: Wire): number | undefined {
    const seen = wire.told ?? wire.to.has
    const longAgo = this.#init.now() - HANGS_MS
    for (const { to, asked } of peer.wires.values()) {
      if (to === wire.to) continue
      for (const [piece, atMs] of asked) {
        if (atMs < longAgo && seen[piece] && !wire.asked.has(piece)) return piece
      }
    }
    return undefined
  }

  #send(peer: SimPeer): void {
    if (peer.sending || !peer.alive) return
    let next = peer.queue.shift()
    while (next && !next.from.wires.get(peer)?.asked.has(next.piece)) next = peer.queue.shift()
    if (!next) return
    const { from, piece } = next
    peer.sending = true
    const { now, after, pieceBytes: bytes } = this.#init
    const beganMs = now()
    const sentMs = peer.up.carry(bytes, beganMs, beganMs)
    after(sentMs - beganMs, () => {
      peer.sending = false
      if (!peer.alive) return
      const link = this.#linkOf(peer, from)
      const acrossMs = link ? link.carry(bytes, beganMs, sentMs) : sentMs
      const delayMs = acrossMs - sentMs + this.#roundTripMs(peer, from) / 2
      after(delayMs, () => {
        const hereMs = from.down.carry(bytes, beganMs + delayMs, now())
        after(hereMs - now(), () => this.#arrive(from, peer, piece))
      })
      this.#send(peer)
    })
  }

  #arrive(peer: SimPeer, from: SimPeer, piece: number): void {
    if (!peer.alive) return
    const wire = peer.wires.get(from)
    if (wire?.asked.delete(piece)) peer.asked[piece] = (peer.asked[piece] ?? 1) - 1
    if (wire) wire.movedAtMs = this.#init.now()
    if (from.manner === 'corrupt') {
      peer.distrusted.add(from)
      return this.disconnect(peer, from)
    }
    if (peer.has[piece]) return
    peer.has[piece] = 1
    peer.count++
    peer.movedAtMs = this.#init.now()
    peer.inVain.delete(from)
    this.#forget(peer, piece)
    for (const { to, back } of peer.wires.values()) {
      to.holders[piece] = (to.holders[piece] ?? 0) + 1
      if (to.revealing) this.#tell(to, to.revealing.got(peer, piece))
      if (!back || to.has[piece] || to.asked[piece]) continue
      back.dry = false
      this.#askOf(to, back)
    }
    if (peer.whole) peer.doneAtMs = this.#init.now()
    else this.ask(peer)
    this.#init.onPiece(peer)
  }

  /** What came from one is not waited for from another. */
  #forget(peer: SimPeer, piece: number): void {
    if (!peer.asked[piece]) return
    for (const { asked } of peer.wires.values()) asked.delete(piece)
    peer.asked[piece] = 0
  }

  #tell(holder: SimPeer, shown: readonly Shown<SimPeer>[]): void {
    for (const { to, piece } of shown) {
      const wire = to.wires.get(holder)
      if (!wire?.told) continue
      wire.told[piece] = 1
      this.#init.after(this.#roundTripMs(holder, to) / 2, () => {
        wire.dry = false
        this.#askOf(to, wire)
      })
    }
    if (holder.looksAgain || !holder.revealing?.waits) return
    holder.looksAgain = true
    this.#init.after(LOOK_AGAIN_MS, () => {
      holder.looksAgain = false
      if (holder.alive && holder.revealing) this.#tell(holder, holder.revealing.lookAgain())
    })
  }

  #roundTripMs(one: SimPeer, two: SimPeer): number {
    return one.site === two.site ? NEAR_ROUND_TRIP_MS : (this.#init.link?.roundTripMs ?? NEAR_ROUND_TRIP_MS)
  }

  #linkOf(from: SimPeer, to: SimPeer): Line | undefined {
    const { link } = this.#init
    if (!link || from.site === to.site) return undefined
    const name = `${from.site} ${to.site}`
    const line = this.#links.get(name) ?? new Line(link.rate)
    this.#links.set(name, line)
    return line
  }
}
