import { Fault, isFault } from '../../src/errors.ts'
import { TORRENT_BYTES_MIN } from '../../src/limits.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { IncomingBlob } from '../../src/registry/blob-source.ts'
import type { BlobStore, ByteRange } from '../../src/registry/blob-store.ts'
import type { NodeId } from '../network/network.ts'
import type { Partial } from './answering.ts'
import { Assembly } from './assembly.ts'
import { Direct, type DirectComponents } from './direct.ts'
import { Gathering, type GatheringComponents } from './gathering.ts'
import { type Holder, Holders, type HoldersComponents } from './holders.ts'
import { FETCH_ATTEMPTS_MAX, FIND_TIMEOUT_MS } from './limits.ts'
import { Line } from './line.ts'
import type { Torrent } from './torrent.ts'
import type { TorrentShelf } from './torrent-shelf.ts'
import { Change, within } from './waiting.ts'

export interface FetchComponents extends GatheringComponents, DirectComponents, HoldersComponents {
  readonly blobs: BlobStore
  readonly shelf: TorrentShelf
  readonly nameOf: (member: NodeId) => string
}

/** The bytes given so far were a lie; others may do better. */
const LIED = 'the bytes of a member did not give the digest'

/**
 * The one fetch of one digest, whoever waits for it. An attempt ends with the digest proven, or with a lie
 * found out; then it begins again without those who lied.
 */
export class Fetch {
  /** Resolves when a holder is found, or nobody is. */
  readonly found: Promise<IncomingBlob | undefined>
  readonly #components: FetchComponents
  readonly #digest: Digest
  readonly #resolveFound: (blob: IncomingBlob | undefined) => void
  readonly #rejectFound: (error: unknown) => void
  readonly #committed: Promise<void>
  readonly #resolveCommitted: () => void
  readonly #rejectCommitted: (error: unknown) => void
  readonly #change = new Change()
  readonly #startedAt: number
  #assembly: Assembly | undefined
  #torrent: Torrent | undefined
  #failure: Error | undefined
  #over = false

  constructor(components: FetchComponents, digest: Digest) {
    this.#components = components
    this.#digest = digest
    this.#startedAt = components.clock.monotonic()
    const found = Promise.withResolvers<IncomingBlob | undefined>()
    const committed = Promise.withResolvers<void>()
    this.found = found.promise
    this.#resolveFound = found.resolve
    this.#rejectFound = found.reject
    this.#committed = committed.promise
    this.#resolveCommitted = committed.resolve
    this.#rejectCommitted = committed.reject
    // Who asked may have left; the failure is also in the log.
    this.found.catch(() => {})
    this.#committed.catch(() => {})
  }

  /** Whoever comes now has to begin another. */
  get over(): boolean {
    return this.#over
  }

  /** What another member may be told of it. */
  get partial(): Partial {
    return { size: this.#assembly?.size, torrent: this.#torrent }
  }

  /** It may not even begin. */
  refuse(error: unknown): void {
    this.#fail(error)
  }

  /** Runs to the end; failures are told to those who wait. */
  async run(signal: AbortSignal): Promise<void> {
    const asking = new AbortController()
    const holders = new Holders(this.#components, this.#digest, AbortSignal.any([signal, asking.signal]))
    try {
      holders.open()
      for (let attempt = 1; ; attempt++) {
        const holder = await this.#find(holders, signal)
        if (!holder && attempt === 1) {
          this.#over = true
          return this.#resolveFound(undefined)
        }
        if (!holder || attempt > FETCH_ATTEMPTS_MAX) {
          throw new Fault('BLOB_FETCH_FAILED', `${LIED}, and no other member is left that has the blob`, {
            digest: this.#digest,
          })
        }
        if (await this.#attempt(holders, holder, signal)) return
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      asking.abort(new Error('the fetch is over'))
    }
  }

  /** @returns whether the blob is committed; false when the members lied */
  async #attempt(holders: Holders, holder: Holder, signal: AbortSignal): Promise<boolean> {
    const { blobs, distrust, logger } = this.#components
    const size = holder.size as number
    const assembly = new Assembly(blobs, this.#digest, size, await blobs.stage())
    const release = assembly.use()
    const from = { torrent: new Set<NodeId>(), direct: new Set<NodeId>() }
    let gathering: Gathering | undefined
    this.#begin(assembly)
    try {
      const torrent = size < TORRENT_BYTES_MIN ? undefined : await this.#findTorrent(holders, size, signal)
      this.#torrent = torrent?.torrent
      if (torrent) {
        const { infoHash } = torrent.torrent
        assembly.holdWhile(() => holders.whole().some((one) => one.infoHash && one.infoHash !== infoHash))
        gathering = new Gathering(this.#components, torrent.torrent, assembly, holders, from.torrent)
        await gathering.run(signal)
      }
      await new Direct(this.#components, this.#digest, assembly, holders, from.direct).run(
        this.#torrent,
        signal,
      )
      try {
        await assembly.commit(signal)
      } catch (error) {
        if (!isFault(error, 'DIGEST_INVALID')) throw error
        const liars = torrent ? this.#claimants(holders, torrent) : [...from.direct]
        if (torrent) distrust.add(this.#digest, torrent.torrent.infoHash)
        for (const liar of liars) distrust.add(this.#digest, liar)
        logger.warn({ digest: this.#digest, members: liars.map(this.#components.nameOf) }, `swarm: ${LIED}`)
        await gathering?.end(false)
        this.#torrent = undefined
        await assembly.fail(new Fault('BLOB_FETCH_FAILED', LIED, { digest: this.#digest, retried: true }))
        return false
      }
      await gathering?.end(true)
      await this.#finish(assembly, from)
      return true
    } catch (error) {
      this.#over = true
      await gathering?.end(false)
      await assembly.fail(this.#faultOf(error))
      throw error
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
  async #findTorrent(
    holders: Holders,
    size: number,
    signal: AbortSignal,
  ): Promise<{ readonly torrent: Torrent; readonly by: Holder } | undefined> {
    const { network, timers, distrust, logger } = this.#components
    for (const by of holders.list()) {
      if (by.size !== size || (by.infoHash && distrust.has(this.#digest, by.infoHash))) continue
      let line: Line | undefined
      try {
        line = await Line.open(network, timers, by.member, signal)
        const torrent = await line.torrent(this.#digest, size, signal)
        await line.close()
        if (!distrust.has(this.#digest, torrent.infoHash)) return { torrent, by }
      } catch (error) {
        line?.abort(error as Error)
        signal.throwIfAborted()
        logger.debug({ member: by.member, err: error }, 'swarm: a member did not tell the piece hashes')
      }
    }
    return undefined
  }

  /** Those who say they hold the whole blob with these hashes: it is not so. */
  #claimants(holders: Holders, claim: { readonly torrent: Torrent; readonly by: Holder }): NodeId[] {
    return holders
      .whole()
      .filter(({ member, infoHash }) => member === claim.by.member || infoHash === claim.torrent.infoHash)
      .map(({ member }) => member)
  }

  #begin(assembly: Assembly): void {
    this.#assembly = assembly
    this.#change.announce()
    const size = assembly.size
    this.#resolveFound({
      size,
      stream: (range, signal) => this.#stream(size, range, signal),
      committed: this.#committed,
    })
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
    this.#over = true
    this.#resolveCommitted()
    if (this.#torrent) await shelf.keep(this.#torrent)
  }

  #fail(error: unknown): void {
    const fault = this.#faultOf(error)
    this.#failure = fault
    this.#over = true
    this.#components.logger.warn({ digest: this.#digest, err: error }, 'a blob could not be fetched')
    this.#rejectFound(fault)
    this.#rejectCommitted(fault)
    this.#change.announce()
  }

  #faultOf(error: unknown): Fault {
    if (isFault(error)) return error
    return new Fault('BLOB_FETCH_FAILED', 'the blob could not be fetched', { digest: this.#digest }, error)
  }

  /** Who got bytes of a lie must be told; who got none yet goes on with the next attempt. */
  async *#stream(size: number, range?: ByteRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const wanted = { first: range?.first ?? 0, last: Math.min(range?.last ?? size - 1, size - 1) }
    let given = false
    let ended: Assembly | undefined
    for (;;) {
      const assembly = await this.#assemblyAfter(ended, signal)
      try {
        if (assembly.size !== size) throw new Fault('BLOB_FETCH_FAILED', LIED, { digest: this.#digest })
        for await (const bytes of assembly.stream(wanted, signal)) {
          given = true
          yield bytes
        }
        return
      } catch (error) {
        if (given || signal?.aborted || !isFault(error) || !error.facts['retried']) throw error
        ended = assembly
      }
    }
  }

  async #assemblyAfter(ended: Assembly | undefined, signal?: AbortSignal): Promise<Assembly> {
    while (!this.#assembly || this.#assembly === ended) {
      if (this.#failure) throw this.#failure
      await this.#change.next(signal)
    }
    return this.#assembly
  }
}
