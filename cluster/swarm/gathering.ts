import type { Digest } from '../../src/oci/digest.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { NodeId } from '../network/network.ts'
import type { Assembly } from './assembly.ts'
import type { Distrust } from './distrust.ts'
import type { Session } from './engine.ts'
import type { Holders } from './holders.ts'
import {
  DIALS_IN_VAIN_MAX,
  PEERS_PER_FETCH_MAX,
  REDIAL_MS,
  REDIAL_TIMES_MAX,
  STALL_MS,
  TEND_INTERVAL_MS,
} from './limits.ts'
import type { Sessions } from './sessions.ts'
import type { Torrent } from './torrent.ts'
import type { Transfers } from './transfers.ts'
import type { Transport } from './transport.ts'

export interface GatheringComponents {
  readonly self: NodeId
  readonly sessions: Sessions
  readonly transport: Pick<Transport, 'dial'>
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
  readonly #dials = new Map<NodeId, Dials>()
  readonly #dialling = new Map<NodeId, Promise<void>>()

  /** @param from is filled with the members that gave pieces */
  constructor(
    components: GatheringComponents,
    torrent: Torrent,
    assembly: Assembly,
    holders: Holders,
    from: Set<NodeId>,
  ) {
    this.#components = components
    this.#digest = torrent.digest
    this.#torrent = torrent
    this.#assembly = assembly
    this.#holders = holders
    this.#from = from
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
    const session = await sessions.gather(this.#torrent, assembly, {
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
    while (!this.#assembly.complete && !failed()) {
      const now = clock.monotonic()
      if (session.received > received) movedAt = now
      received = session.received
      if (now - movedAt > STALL_MS) return
      this.#dialDue(session, now, signal)
      if (this.#isAlone(session)) return
      session.nudge()
      const callOff = timers.after(TEND_INTERVAL_MS, () => this.#holders.change.announce())
      try {
        await this.#holders.change.next(signal)
      } finally {
        callOff()
      }
    }
  }

  #dialDue(session: Session, now: number, signal: AbortSignal): void {
    const connected = new Set(session.members())
    for (const { member, infoHash } of this.#holders.list()) {
      if (connected.size + this.#dialling.size >= PEERS_PER_FETCH_MAX) return
      if (connected.has(member) || this.#dialling.has(member)) continue
      if (infoHash !== undefined && infoHash !== this.#torrent.infoHash) continue
      const dials = this.#dials.get(member) ?? { times: 0, notBefore: 0 }
      if (dials.times > REDIAL_TIMES_MAX || now < dials.notBefore) continue
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

  async #dial(member: NodeId, session: Session, signal: AbortSignal): Promise<void> {
    const { transport, self, logger } = this.#components
    try {
      await session.attach(member, self, await transport.dial(member, signal))
    } catch (error) {
      if (!signal.aborted) logger.debug({ member, err: error }, 'swarm: a member was not reached')
    }
  }

  /** Nobody is connected and nobody is left to try. */
  #isAlone(session: Session): boolean {
    if (session.members().length > 0 || this.#dialling.size > 0 || this.#holders.asking) return false
    const fellows = this.#holders
      .list()
      .filter(({ infoHash }) => infoHash === undefined || infoHash === this.#torrent.infoHash)
    const whole = fellows.filter(({ have }) => have === 'whole')
    // Fellow leechers alone do not make the blob complete; where there is nobody else they get more time.
    const timesMax = whole.length > 0 ? DIALS_IN_VAIN_MAX : REDIAL_TIMES_MAX
    return (whole.length > 0 ? whole : fellows).every(
      ({ member }) => (this.#dials.get(member)?.times ?? 0) > timesMax,
    )
  }
}
