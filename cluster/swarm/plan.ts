import { createHash } from 'node:crypto'
import type { Digest } from '../../src/oci/digest.ts'
import type { LinkClass } from '../links/link-state.ts'
import type { NodeId } from '../network/network.ts'
import { NEAR_RTT_MS, PEERS_PER_FETCH_MAX, TAKEOVER_MS, TAKEOVER_RANK_MAX, UPLOAD_SLOTS } from './limits.ts'

/** A member that has the blob, or is getting it, as the fetching node knows it. */
export interface PlanPeer {
  readonly id: NodeId
  readonly site: string
  readonly have: 'whole' | 'part'
  /** It fetches over a long link itself. */
  readonly ingress: boolean
  /** Of the link to it; where nothing is said, nothing is closed or metered. */
  readonly link?: LinkClass
  /** Round trip of the last ping, milliseconds. */
  readonly rttMs?: number | undefined
  /** It gave wrong bytes lately, of another blob. */
  readonly suspect?: boolean
}

export interface PlanFacts {
  readonly self: NodeId
  readonly site: string
  readonly digest: Digest
  /** Trusted, entitled, and not asked in vain too often. */
  readonly peers: readonly PlanPeer[]
  /** This node fetches over a long link already. */
  readonly ingress: boolean
  /** Milliseconds since anything came in. */
  readonly quietMs: number
}

/**
 * `within`: a node of the own site has the blob. `ingress`: this node fetches it over the long link for its
 * site. `behind`: it takes from the site's ingress what has arrived there.
 */
export type PlanRole = 'within' | 'ingress' | 'behind'

export interface Plan {
  readonly role: PlanRole
  /** Whom to be connected to, best first: PEERS_PER_FETCH_MAX at most. */
  readonly sources: readonly NodeId[]
}

/**
 * Whom one node takes one blob from. Nodes that know the same come to the same plan without a word: of those of a
 * site that lack the blob, one fetches over the long link, and the next one only when it brings nothing.
 */
export function planFetch(facts: PlanFacts): Plan {
  const { self, site, digest, quietMs } = facts
  const peers = facts.peers.filter(({ link }) => link !== 'closed')
  const near = peers.filter((peer) => peer.site === site)
  const far = peers.filter((peer) => peer.site !== site)
  const within = near.some(({ have }) => have === 'whole')
  // Who has it all here goes first of all, but one that gives nothing must not keep the site waiting.
  const turn = Math.min(TAKEOVER_RANK_MAX, turnOf(self, near, digest) + Number(within))
  // Whoever began goes on: two that step back for each other would bring nothing in turns.
  if (!facts.ingress && quietMs < turn * TAKEOVER_MS) {
    return { role: within ? 'within' : 'behind', sources: chosen(near, facts) }
  }
  const beyond = chosen(worthCrossing(far, quietMs), facts).slice(0, PEERS_PER_FETCH_MAX / 2)
  return { role: 'ingress', sources: [...beyond, ...chosen(near, facts)].slice(0, PEERS_PER_FETCH_MAX) }
}

/**
 * Whether two who lack pieces both ask this holder, so that each does well to ask for others than the other.
 * @param fellow who lacks pieces, too
 */
export function asksToo(fellow: Pick<PlanPeer, 'site' | 'ingress'>, holder: Pick<PlanPeer, 'site'>): boolean {
  return fellow.site === holder.site || fellow.ingress
}

/**
 * What another site is still bringing in crosses a link twice, and what is metered costs: each only where nobody is
 * left who is neither, or those bring nothing.
 */
function worthCrossing(far: readonly PlanPeer[], quietMs: number): readonly PlanPeer[] {
  const whole = far.filter(({ have }) => have === 'whole')
  if (whole.length === 0) return far
  const free = whole.filter(({ link }) => link !== 'metered')
  return free.length > 0 && quietMs < TAKEOVER_MS ? free : whole
}

/** How many fetch over the long link before this one: those that do so already, then by a hash that spreads blobs over nodes. */
function turnOf(self: NodeId, near: readonly PlanPeer[], digest: Digest): number {
  const own = weightOf(digest, self)
  const fellows = near.filter(({ have }) => have === 'part')
  return fellows.filter(({ id, ingress }) => ingress || weightOf(digest, id) < own).length
}

/**
 * Some who have it all, then fellows. Each node has an order of its own, so that holders share the work; two fellows
 * stand in the same place of each other's order, so that they choose each other.
 */
function chosen(peers: readonly PlanPeer[], facts: PlanFacts): NodeId[] {
  const { self, digest, quietMs } = facts
  const holders = byWeight(peers, 'whole', (id) => weightOf(digest, `${self}/${id}`))
  const fellows = byWeight(peers, 'part', (id) => weightOf(digest, [self, id].sort().join('/')))
  const isCrowded = fellows.length >= holders.length * UPLOAD_SLOTS && quietMs < TAKEOVER_MS
  const own = isCrowded ? holders.filter((id) => isGuest(id, fellows, facts)) : holders
  const few = PEERS_PER_FETCH_MAX / 2
  return [...own.slice(0, few), ...fellows, ...own.slice(few)].slice(0, PEERS_PER_FETCH_MAX)
}

/** A holder gives to so many at once: of a crowd some ask it, and the rest ask them. */
function isGuest(holder: NodeId, fellows: readonly NodeId[], { self, digest }: PlanFacts): boolean {
  const own = weightOf(digest, `${self}/${holder}`)
  return fellows.filter((id) => weightOf(digest, `${id}/${holder}`) < own).length < UPLOAD_SLOTS
}

function byWeight(
  peers: readonly PlanPeer[],
  have: PlanPeer['have'],
  weight: (id: NodeId) => string,
): NodeId[] {
  return peers
    .filter((peer) => peer.have === have)
    .map((peer) => ({ id: peer.id, distance: distanceOf(peer), weight: weight(peer.id) }))
    .sort((a, b) => a.distance - b.distance || (a.weight < b.weight ? -1 : 1))
    .map(({ id }) => id)
}

/**
 * Who gave wrong bytes lately comes last of all, what is metered after what is not, and of these the nearest first:
 * round trips that differ by less than a factor of two are the same.
 */
function distanceOf({ suspect = false, link, have, rttMs = 0 }: PlanPeer): number {
  // Fellows measure each other apart, and have to stand in the same place of each other's order.
  const isNear = link === 'near' || have === 'part'
  const doublings = isNear ? 0 : Math.max(0, Math.floor(Math.log2(rttMs / NEAR_RTT_MS)))
  return (Number(suspect) * 2 + Number(link === 'metered')) * 64 + doublings
}

/** Rendezvous hashing (Thaler and Ravishankar, 1998): one node less changes only the blobs it was first for. */
function weightOf(digest: Digest, name: string): string {
  return createHash('sha256').update(`${digest}/${name}`).digest('hex')
}
