import type { Digest } from '../../src/oci/digest.ts'
import type { Purpose } from '../../src/registry/blob-source.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { LinkClass } from '../links/link-state.ts'
import type { LinkRules } from '../links/links.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network, NodeId } from '../network/network.ts'
import type { Assembly } from './assembly.ts'
import type { Distrust } from './distrust.ts'
import type { Engine, Session, Whom } from './engine.ts'
import type { Holder, Holders } from './holders.ts'
import {
  DIALS_IN_VAIN_MAX,
  FELLOW_DIAL_MS,
  NEAR_ASK_INTERVAL_MS,
  NEAR_PATIENCE_MS,
  PEERS_PER_FETCH_MAX,
  REDIAL_MS,
  REDIAL_TIMES_MAX,
  STALL_MS,
  TEND_INTERVAL_MS,
} from './limits.ts'
import { type Plan, type PlanPeer, planFetch } from './plan.ts'
import type { Sessions } from './sessions.ts'
import type { Torrent } from './torrent.ts'
import type { Transfers } from './transfers.ts'

export interface GatheringComponents {
  readonly self: NodeId
  readonly roster: Roster
  readonly sessions: Sessions
  readonly engine: Pick<Engine, 'dial'>
  readonly network: Network
  readonly links: LinkRules
  readonly transfers: Transfers
  readonly distrust: Distrust
  readonly logger: Logger
  readonly clock: Clock
  readonly timers: Timers
}

interface Dials {
  times: number
  notBefore: number
}

/** Brings the pieces of one blob together by BitTorrent, from everybody who has some. */
export class Gathering {
  readonly #components: GatheringComponents
  readonly #digest: Digest
  readonly #torrent: Torrent
  readonly #assembly: Assembly
  readonly #holders: Holders
  readonly #from: Set<NodeId>
  readonly #purpose: () => Purpose
  readonly #dials = new Map<NodeId, Dials>()
  readonly #dialling = new Map<NodeId, Promise<void>>()
  #isIngress = false
  #disputed = false

  /**
   * @param from is filled with the members that gave pieces
   * @param purpose what the blob is wanted for by now
   */
  constructor(
    components: GatheringComponents,
    torrent: Torrent,
    assembly: Assembly,
    holders: Holders,
    from: Set<NodeId>,
    purpose: () => Purpose,
  ) {
    this.#components = components
    this.#digest = torrent.digest
    this.#torrent = torrent
    this.#assembly = assembly
    this.#holders = holders
    this.#from = from
    this.#purpose = purpose
  }

  /** The bytes come from another site. */
  get ingress(): boolean {
    return this.#isIngress
  }

  /** Somebody's bytes did not agree with the hashes. */
  get disputed(): boolean {
    return this.#disputed
  }

  /**
   * Returns when the blob is complete, or nothing more comes this way.
   * @throws what the storage of this node throws
   */
  async run(signal: AbortSignal): Promise<void> {
    const { sessions, transfers, distrust, logger } = this.#components
    const assembly = this.#assembly
    const leaving = new AbortController()
    let failure: { readonly error: unknown } | undefined
    const whom = (member: NodeId): Whom => {
      const { site, ingress, link } = this.#peer(member)
      return { asks: (this.#isIngress || this.#isNear(member)) && link !== 'closed', site, ingress }
    }
    const session = await sessions.gather(this.#torrent, assembly, whom, {
      piece: (index, from) => {
        transfers.received('torrent', assembly.bytesOf(index))
        for (const member of from) {
          this.#from.add(member)
          this.#dials.delete(member)
        }
        assembly.mark(index)
        if (assembly.complete) this.#holders.change.announce()
      },
      lied: (member) => {
        logger.warn({ member, digest: this.#digest }, 'swarm: a member gave wrong bytes and is passed over')
        distrust.add(this.#digest, member)
        this.#disputed = true
      },
      gone: () => this.#holders.change.announce(),
      failed: (error) => {
        failure = { error }
        this.#holders.change.announce()
      },
    })
    try {
      await this.#tend(session, AbortSignal.any([signal, leaving.signal]), () => failure !== undefined)
      if (failure) throw failure.error
    } finally {
      leaving.abort(new Error('the fetch went on without this connection'))
      if (!assembly.complete) await sessions.gathered(session, false)
      await Promise.allSettled(this.#dialling.values())
    }
    this.#session = session
  }

  /** The blob is committed, or was not what it should be: its torrent is served on, or not. */
  async end(whole: boolean): Promise<void> {
    if (this.#session) await this.#components.sessions.gathered(this.#session, whole)
  }

  #session: Session | undefined

  async #tend(session: Session, signal: AbortSignal, failed: () => boolean): Promise<void> {
    const { clock, timers } = this.#components
    let received = 0
    let movedAt = clock.monotonic()
    let askedAt = movedAt
    await this.#hearNear(signal)
    while (!this.#assembly.complete && !failed()) {
      const now = clock.monotonic()
      if (session.received > received) movedAt = now
      received = session.received
      if (now - movedAt > STALL_MS) return
      if (now - askedAt > NEAR_ASK_INTERVAL_MS) {
        askedAt = now
        this.#askNear(session)
      }
      // Its hours are the fetching end's to keep: the other one does not know that nobody waits.
      for (const member of session.members()) if (this.#linkTo(member) === 'closed') session.drop(member)
      const plan = this.#plan(session, now - movedAt)
      this.#dialDue(session, plan, now, signal)
      if (this.#isAlone(session, plan)) return
      session.nudge()
      const callOff = timers.after(TEND_INTERVAL_MS, () => this.#holders.change.announce())
      try {
        await this.#holders.change.next(signal)
      } finally {
        callOff()
      }
    }
  }

  /** Who is connected shows what it has; whether it brings it over a long link is asked, where there are any. */
  #askNear(session: Session): void {
    const peers = this.#peers(session)
    const connected = new Set(session.members())
    const isOneSite = peers.every(({ id }) => this.#isNear(id))
    for (const { id } of peers)
      if (this.#isNear(id) && !(isOneSite && connected.has(id))) this.#holders.ask(id)
  }

  /** Those of the own site say first what they have, so that nothing crosses a long link that is here already. */
  async #hearNear(signal: AbortSignal): Promise<void> {
    const { roster, timers, clock } = this.#components
    const near = roster.members().filter(({ id }) => this.#isNear(id))
    const untilMs = clock.monotonic() + NEAR_PATIENCE_MS
    const callOff = timers.after(NEAR_PATIENCE_MS, () => this.#holders.change.announce())
    try {
      while (near.some(({ id }) => this.#holders.isOwing(id)) && clock.monotonic() < untilMs) {
        await this.#holders.change.next(signal)
      }
    } finally {
      callOff()
    }
  }

  #plan(session: Session, quietMs: number): Plan {
    const { self } = this.#components
    const peers = this.#peers(session)
    const plan = planFetch({
      self,
      site: this.#siteOf(self),
      digest: this.#digest,
      peers,
      ingress: this.#isIngress,
      quietMs,
    })
    // A cluster at one site has no long links: there is nothing to be told.
    this.#isIngress = plan.role === 'ingress' && peers.some(({ id }) => !this.#isNear(id))
    return plan
  }

  /** Whom it makes sense to plan with: connected, or not dialled in vain too often. */
  #peers(session: Session): PlanPeer[] {
    const connected = new Set(session.members())
    const fellows = this.#holders
      .list()
      .filter(({ infoHash }) => infoHash === undefined || infoHash === this.#torrent.infoHash)
    // Fellow leechers alone do not make the blob complete; where there is nobody else they get more time.
    const timesMax = fellows.some(({ have }) => have === 'whole') ? DIALS_IN_VAIN_MAX : REDIAL_TIMES_MAX
    return fellows
      .filter(({ member }) => connected.has(member) || (this.#dials.get(member)?.times ?? 0) <= timesMax)
      .map((holder) => this.#peerOf(holder))
  }

  #peer(member: NodeId): PlanPeer {
    return this.#peerOf(this.#holders.get(member) ?? { member, have: 'part', ingress: false })
  }

  #peerOf({ member, have, ingress }: Pick<Holder, 'member' | 'have' | 'ingress'>): PlanPeer {
    const { network, distrust } = this.#components
    return {
      id: member,
      site: this.#siteOf(member),
      have,
      ingress,
      link: this.#linkTo(member),
      rttMs: network.rttMs(member),
      suspect: distrust.isSuspect(member),
    }
  }

  #linkTo(member: NodeId): LinkClass {
    return this.#components.links.classOf(member, this.#purpose())
  }

  #siteOf(member: NodeId): string {
    return this.#components.roster.get(member)?.site ?? ''
  }

  #isNear(member: NodeId): boolean {
    return this.#siteOf(member) === this.#siteOf(this.#components.self)
  }

  #dialDue(session: Session, plan: Plan, now: number, signal: AbortSignal): void {
    const connected = new Set(session.members())
    for (const member of plan.sources) {
      // Those that fellows have opened are over and above: they must not crowd out the holders.
      if (connected.size + this.#dialling.size >= 2 * PEERS_PER_FETCH_MAX) return
      if (connected.has(member) || this.#dialling.has(member)) continue
      const dials = this.#dials.get(member) ?? { times: 0, notBefore: this.#firstDialAt(member, now) }
      if (now < dials.notBefore) {
        this.#dials.set(member, dials)
        continue
      }
      // Whoever has been away may have forgotten the torrent: the question wakes it.
      if (dials.times > 0) this.#holders.ask(member)
      this.#dials.set(member, { times: dials.times + 1, notBefore: now + REDIAL_MS * 2 ** dials.times })
      const dialling = this.#dial(member, session, signal).finally(() => {
        this.#dialling.delete(member)
        this.#holders.change.announce()
      })
      this.#dialling.set(member, dialling)
    }
  }

  /** Two fellows that hear of each other would both dial, and drop one of the two: the one of the higher id waits. */
  #firstDialAt(member: NodeId, now: number): number {
    const isFellow = this.#holders.get(member)?.have === 'part'
    return isFellow && this.#components.self > member ? now + FELLOW_DIAL_MS : now
  }

  async #dial(member: NodeId, session: Session, signal: AbortSignal): Promise<void> {
    const { engine, self, logger } = this.#components
    try {
      await session.attach(member, self, await engine.dial(member, signal))
    } catch (error) {
      if (!signal.aborted) logger.debug({ member, err: error }, 'swarm: a member was not reached')
    }
  }

  /** Nobody is connected and nobody is left to try. */
  #isAlone(session: Session, plan: Plan): boolean {
    if (session.members().length > 0 || this.#dialling.size > 0 || this.#holders.asking) return false
    return plan.sources.length === 0
  }
}
