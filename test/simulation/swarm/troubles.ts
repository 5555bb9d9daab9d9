import { SeededRandom } from '../world/random.ts'
import type { Fleet, FleetInit } from './fleet.ts'
import type { SimPeer } from './sim-peer.ts'

/** What goes wrong in a fleet. */
export interface Troubles {
  begin?(fleet: Fleet): void
  /** A node has got a piece. */
  onPiece?(fleet: Fleet, peer: SimPeer): void
}

/** Each site's ingress dies when it has so large a part, once. */
export function ingressDies(part: number): Troubles {
  const mourned = new Set<string>()
  return {
    onPiece(fleet, peer) {
      if (!peer.ingress || mourned.has(peer.site) || peer.count < peer.pieces * part) return
      mourned.add(peer.site)
      fleet.kill(peer)
    },
  }
}

/** A whole schedule from its seed: a fleet, and what its nodes suffer and do. One holder is honest and stays. */
export function schedule(seed: number): FleetInit {
  const random = new SeededRandom(seed)
  const bytes = random.integer(48) * 1024 * 1024 + 1
  const rate = random.pick([1e6, 5e6, 50e6])
  const names = ['hub', 'branch', 'shop'].slice(0, 1 + random.integer(3))
  const sites = names.map((name, at) => ({
    name,
    fetchers: 1 + random.integer(6),
    holders: at === 0 ? 1 + random.integer(3) : random.integer(2),
    up: rate * random.between(0.2, 2),
    down: rate * random.between(0.2, 2),
  }))
  const link = { rate: rate * random.between(0.1, 1), roundTripMs: random.between(5, 300) }
  const wholeMs = (bytes / link.rate) * 1000 + 1000
  return {
    seed,
    bytes,
    sites,
    link,
    spreadMs: random.between(1, wholeMs),
    troubles: suffered(random, wholeMs),
  }
}

/** @param wholeMs about how long a fetch would take if nothing happened */
function suffered(random: SeededRandom, wholeMs: number): Troubles {
  return {
    begin(fleet) {
      const [honest] = fleet.peers.filter(({ whole }) => whole)
      for (const peer of fleet.peers) {
        if (peer === honest) continue
        // Who lies says it has everything, or is believed to while it fetches.
        if (random.chance(0.2)) peer.manner = random.pick(['silent', 'corrupt'])
        if (random.chance(0.25)) {
          fleet.after(random.between(0, wholeMs), () => fleet.kill(peer))
          if (random.chance(0.5)) fleet.after(random.between(wholeMs, 2 * wholeMs), () => fleet.revive(peer))
        }
        if (random.chance(0.25)) {
          const factor = random.pick([0.001, 0.05, 0.3])
          fleet.after(random.between(0, wholeMs), () => peer.up.change(factor))
          if (random.chance(0.5))
            fleet.after(random.between(wholeMs, 2 * wholeMs), () => peer.up.change(1 / factor))
        }
      }
    },
  }
}
