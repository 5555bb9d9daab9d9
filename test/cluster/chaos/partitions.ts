import type { Way } from '../../support/network.ts'
import type { Seeded } from './seeded.ts'

/** Ways of cutting a cluster's network, by name. Each is told the nodes and chance, and names the dead ways. */
export const PARTITIONS = {
  /** One node hears nobody, and nobody it. */
  isolate(nodes, random) {
    const alone = random.pick(nodes)
    return nodes.filter((node) => node !== alone).flatMap((node) => both(node, alone))
  },

  halves(nodes, random) {
    const mixed = random.shuffled(nodes)
    const at = random.between(2, nodes.length - 2)
    return between(mixed.slice(0, at), mixed.slice(at))
  },

  /** Every node for itself. */
  shatter(nodes) {
    return nodes.flatMap((one) => nodes.filter((other) => other < one).flatMap((other) => both(one, other)))
  },

  /** Two halves that hear each other only through one node in the middle. */
  bridge(nodes, random) {
    const [, ...rest] = random.shuffled(nodes)
    const at = Math.floor(rest.length / 2)
    return between(rest.slice(0, at), rest.slice(at))
  },

  /** Everybody hears a majority, and no two the same one. */
  majorityRing(nodes, random) {
    const ring = random.shuffled(nodes)
    const apart = (a: number, b: number) =>
      Math.min((a - b + ring.length) % ring.length, (b - a + ring.length) % ring.length)
    return ring.flatMap((one, a) =>
      ring.filter((_, b) => apart(a, b) > 1).map((other) => ({ from: one, to: other })),
    )
  },

  /** A line that is dead in one direction. */
  oneWay(nodes, random) {
    const [from, to] = random.shuffled(nodes) as [number, number]
    return [{ from, to }]
  },

  /** A node that is heard and hears nobody. */
  deaf(nodes, random) {
    const deaf = random.pick(nodes)
    return nodes.filter((node) => node !== deaf).map((from) => ({ from, to: deaf }))
  },

  /** A node that hears and nobody hears. */
  mute(nodes, random) {
    const mute = random.pick(nodes)
    return nodes.filter((node) => node !== mute).map((to) => ({ from: mute, to }))
  },
} as const satisfies Record<string, (nodes: readonly number[], random: Seeded) => Way[]>

export type Partition = keyof typeof PARTITIONS

export function both(one: number, other: number): Way[] {
  return [
    { from: one, to: other },
    { from: other, to: one },
  ]
}

function between(left: readonly number[], right: readonly number[]): Way[] {
  return left.flatMap((one) => right.flatMap((other) => both(one, other)))
}
