import { Fault, isFault } from '../../src/errors.ts'
import { TORRENT_BYTES_MIN } from '../../src/limits.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Purpose } from '../../src/registry/blob-source.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { NodeId } from '../network/network.ts'
import type { PartialBlob } from './answering.ts'
import { Assembly } from './assembly.ts'
import { Direct, type DirectComponents } from './direct.ts'
import { Gathering, type GatheringComponents } from './gathering.ts'
import { type Holder, Holders, type HoldersComponents } from './holders.ts'
import { Incoming, LIED } from './incoming.ts'
import { FETCH_ATTEMPTS_MAX, FIND_TIMEOUT_MS, RESUME_BYTES_MIN } from './limits.ts'
import type { Line } from './line.ts'
import { Opening, rangeOf } from './opening.ts'
import type { Torrent } from './torrent.ts'
import type { TorrentShelf } from './torrent-shelf.ts'
import { within } from './waiting.ts'

export interface FetchComponents extends GatheringComponents, DirectComponents, HoldersComponents {
  readonly blobs: BlobStore
  readonly shelf: TorrentShelf
  readonly nameOf: (member: NodeId) => string
}

const URGENCY: readonly Purpose[] = ['bulk', 'pull', 'records']

/** Piece hashes, only as true as the member they are from. */
interface Claim {
  readonly torrent: Torrent
  readonly by: Holder
  /** The piece a reader waits for is on its way already. */
  readonly opening?: Opening
}

/**
 * The one fetch of one digest, whoever waits for it. An attempt ends with the digest proven, or with a lie
 * found out; then it begins again without those who lied.
 */
export class Fetch {
  readonly incoming: Incoming
  readonly #components: FetchComponents
  readonly #digest: Digest
  readonly #startedAt: number
  #torrent: Torrent | undefined
  #holders: Holders | undefined
  #gathering: Gathering | undefined
  #purpose: Purpose

  constructor(components: FetchComponents, digest: Digest, purpose: Purpose) {
    this.incoming = new Incoming(digest)
    this.#components = components
    this.#digest = digest
    this.#startedAt = components.clock.monotonic()
    this.#purpose = purpose
  }

  /** Of those who want it, the one for whom most is open counts. */
  wantedFor(purpose: Purpose): void {
    if (URGENCY.indexOf(purpose) <= URGENCY.indexOf(this.#purpose)) return
    this.#purpose = purpose
    this.#holders?.change.announce()
  }

  /** What another member may be told of it. */
  get partial(): PartialBlob {
    return {
      size: this.incoming.size,
      torrent: this.#torrent,
      ingress: this.#gathering?.ingress ?? false,
      wantedBy: (member) => this.#holders?.heardOf(member),
    }
  }

  /** Tells those who wait; also where it may not even begin. */
  async fail(error: unknown): Promise<void> {
    const digest = this.#digest
    // Whoever is turned away at the door is told so; a line of the log for each would be a flood of its own.
    const level = isFault(error, 'TOO_MANY_WAITING') ? 'debug' : 'warn'
    this.#components.logger[level]({ digest, err: error }, 'a blob could not be fetched')
    const fault = isFault(error)
      ? error
      : new Fault('BLOB_FETCH_FAILED', 'the blob could not be fetched', { digest }, error)
    await this.incoming.fail(fault)
  }

  /** Runs to the end; failures are told to those who wait. */
  async run(signal: AbortSignal): Promise<void> {
    const asking = new AbortController()
    const holders = new Holders(
      this.#components,
      this.#digest,
      AbortSignal.any([signal, asking.signal]),
      () => this.#purpose,
    )
    this.#holders = holders
    try {
      holders.open()
      for (let attempt = 1; ; attempt++) {
        const holder = await this.#find(holders, signal)
        const refusal = holder ? undefined : holders.refusal()
        if (refusal) throw refusal
        if (!holder && attempt === 1) return this.incoming.nobody()
        if (!holder || attempt > FETCH_ATTEMPTS_MAX) {
          throw new Fault('BLOB_FETCH_FAILED', `${LIED}, and no other member is left that has the blob`, {
            digest: this.#digest,
          })
        }
        if (await this.#attempt(holders, holder, signal)) return
      }
    } catch (error) {
      await this.fail(error)
    } finally {
      asking.abort(new Error('the fetch is over'))
      holders.close()
    }
  }

  /** @returns whether the blob is committed; false when the members lied */
  async #attempt(holders: Holders, holder: Holder, signal: AbortSignal): Promise<boolean> {
    const { blobs } = this.#components
    const size = holder.size as number
    const staged = await blobs.stage(size >= RESUME_BYTES_MIN ? this.#digest : undefined)
    const assembly = new Assembly(blobs, this.#digest, size, staged)
    const release = assembly.use()
    const from = { torrent: new Set<NodeId>(), direct: new Set<NodeId>() }
    let claim: Claim | undefined
    let recalled = 0
    let gathering: Gathering | undefined
    this.incoming.begin(assembly)
    try {
      if (size >= TORRENT_BYTES_MIN) claim = await this.#findTorrent(holders, assembly, signal)
      if (claim) {
        const { torrent } = claim
        const { infoHash } = torrent
        this.#torrent = torrent
        recalled = await assembly.recall(torrent, signal)
        if (recalled > 0)
          this.#components.logger.info(
            { digest: this.#digest, recalled, of: torrent.pieceCount },
            'swarm: a fetch goes on from what an earlier one has left',
          )
        if (await claim.opening?.run(this.#components, torrent, assembly, signal))
          from.direct.add(claim.by.member)
        assembly.holdWhile(() => holders.whole().some((one) => one.infoHash && one.infoHash !== infoHash))
        this.#gathering = gathering = new Gathering(
          this.#components,
          torrent,
          assembly,
          holders,
          from.torrent,
          () => this.#purpose,
        )
        await gathering.run(signal)
      }
      await new Direct(this.#components, this.#digest, assembly, holders, from.direct).run(
        this.#torrent,
        signal,
      )
      await assembly.commit(signal)
      await gathering?.end(true)
      await this.#finish(assembly, from)
      return true
    } catch (error) {
      await gathering?.end(false)
      this.#torrent = undefined
      if (recalled > 0 && isFault(error, 'DIGEST_INVALID')) {
        // Nobody of today need have lied: bytes that lay on the disk may have changed.
        this.#components.logger.warn(
          { digest: this.#digest },
          'swarm: what an earlier fetch has left did not give the digest',
        )
      } else if (!this.#blame(error, holders, size, claim, gathering, from.direct)) throw error
      await this.incoming.lied(assembly)
      return false
    } finally {
      await release()
    }
  }

  async #find(holders: Holders, signal: AbortSignal): Promise<Holder | undefined> {
    try {
      return await within(this.#components.timers, FIND_TIMEOUT_MS, signal, (signal) => holders.first(signal))
    } catch (error) {
      if (isFault(error, 'TIMED_OUT')) return undefined
      throw error
    }
  }

  /** The hashes, from the first member that gives them; they are only as true as that member. */
  async #findTorrent(holders: Holders, assembly: Assembly, signal: AbortSignal): Promise<Claim | undefined> {
    const { distrust, logger } = this.#components
    const { size } = assembly
    const asked = new Map<NodeId, number>()
    for (;;) {
      const [by] = holders
        .list()
        .filter(({ member, size: told, infoHash }) => {
          if (told !== size || (infoHash && distrust.has(this.#digest, infoHash))) return false
          // Twice: the line that was asked on may have broken since.
          return (asked.get(member) ?? 0) < 2
        })
        // Who has hashed it already answers at once.
        .sort((a, b) => Number(!a.infoHash) - Number(!b.infoHash))
      if (!by) {
        // A fellow may have said its size first, and whoever has the blob not yet that it does.
        if (!holders.asking) return undefined
        await holders.change.next(signal)
        continue
      }
      asked.set(by.member, (asked.get(by.member) ?? 0) + 1)
      let line: Line | undefined
      try {
        line = await holders.line(by.member, signal)
        const claim = await this.#ask(line, by, holders, assembly, signal)
        if (!distrust.has(this.#digest, claim.torrent.infoHash)) return claim
        claim.opening?.abort(new Error('its hashes are not trusted'))
      } catch (error) {
        line?.abort(error as Error)
        signal.throwIfAborted()
        logger.debug({ member: by.member, err: error }, 'swarm: a member did not tell the piece hashes')
      }
    }
  }

  async #ask(
    line: Line,
    by: Holder,
    holders: Holders,
    assembly: Assembly,
    signal: AbortSignal,
  ): Promise<Claim> {
    const digest = this.#digest
    if (!this.#opensWith(by, holders)) {
      const torrent = await line.torrent(digest, assembly.size, signal)
      await line.close()
      return { torrent, by }
    }
    const piece = assembly.front() ?? 0
    const range = rangeOf(assembly, piece)
    const { torrent, bytes } = await line.torrentAndBytes(digest, assembly.size, range, signal)
    return { torrent, by, opening: new Opening(line, piece, bytes) }
  }

  /** Somebody waits for a blob that is far away, and nobody near has some of it or gets it at the same time. */
  #opensWith({ member, have }: Holder, holders: Holders): boolean {
    const { roster, self, links } = this.#components
    const isNear = (id: NodeId) => roster.get(id)?.site === roster.get(self)?.site
    if (this.#purpose === 'bulk' || have !== 'whole' || isNear(member)) return false
    if (links.classOf(member, this.#purpose) === 'metered') return false
    return !holders.list().some((holder) => isNear(holder.member))
  }

  /** @returns whether the attempt failed because members lied; they are then passed over */
  #blame(
    error: unknown,
    holders: Holders,
    size: number,
    claim: Claim | undefined,
    gathering: Gathering | undefined,
    direct: ReadonlySet<NodeId>,
  ): boolean {
    const { distrust, logger, nameOf } = this.#components
    const exhausted = isFault(error) && error.facts['exhausted'] === true
    const disputed = exhausted && (error.facts['disputed'] === true || gathering?.disputed === true)
    const doubters = holders
      .whole()
      .filter((one) => one.size === size && one.infoHash !== claim?.torrent.infoHash)
    let liars: NodeId[]
    if (isFault(error, 'DIGEST_INVALID')) {
      if (claim) distrust.add(this.#digest, claim.torrent.infoHash)
      liars = claim ? claimants(holders, claim) : [...direct]
    } else if (disputed && claim && doubters.length > 0) {
      // Bytes did not agree with these hashes: they may be the lie. Those who hold to others come next.
      distrust.add(this.#digest, claim.torrent.infoHash)
      liars = [claim.by.member]
    } else if (exhausted && holders.whole().some((one) => one.size !== size)) {
      // Nobody gave all the bytes of this size, and others say the blob has another.
      liars = holders.whole().flatMap((one) => (one.size === size ? [one.member] : []))
    } else {
      return false
    }
    for (const liar of liars) distrust.add(this.#digest, liar)
    logger.warn({ digest: this.#digest, members: liars.map(nameOf) }, `swarm: ${LIED}`)
    return true
  }

  async #finish(
    assembly: Assembly,
    from: { readonly torrent: ReadonlySet<NodeId>; readonly direct: ReadonlySet<NodeId> },
  ): Promise<void> {
    const { shelf, transfers, clock, nameOf } = this.#components
    transfers.arrived({
      digest: this.#digest,
      size: assembly.size,
      transport: from.torrent.size > 0 ? 'torrent' : 'direct',
      from: [...new Set([...from.torrent, ...from.direct])].map(nameOf),
      milliseconds: Math.round(clock.monotonic() - this.#startedAt),
    })
    this.incoming.commit()
    if (this.#torrent) await shelf.keep(this.#digest, assembly.size, this.#torrent.pieces)
  }
}

/** Those who say they hold the whole blob with these hashes. */
function claimants(holders: Holders, { torrent, by }: Claim): NodeId[] {
  return holders
    .whole()
    .filter(({ member, infoHash }) => member === by.member || infoHash === torrent.infoHash)
    .map(({ member }) => member)
}
