import type { Ed25519PrivateKey } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'
import { TORRENT_BYTES_MIN } from '../../src/limits.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { BlobSource, FetchOptions, IncomingBlob, Purpose } from '../../src/registry/blob-source.ts'
import type { BlobStore, ByteRange } from '../../src/registry/blob-store.ts'
import type { PieceSink } from '../../src/registry/piece-sink.ts'
import type { TransferStatus } from '../../src/registry/topology.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { type LinkRules, NO_LINKS } from '../links/links.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network, NodeId } from '../network/network.ts'
import { Answering } from './answering.ts'
import { BLOB_PROTOCOL } from './blob-protocol.ts'
import { Distrust } from './distrust.ts'
import type { Engine, EngineInit } from './engine.ts'
import { Fetch } from './fetch.ts'
import { FETCHES_CONCURRENT_MAX, FETCHES_WAITING_MAX } from './limits.ts'
import { LocalEngine } from './local-engine.ts'
import { Sessions } from './sessions.ts'
import { ThreadedEngine } from './threaded-engine.ts'
import { TorrentShelf } from './torrent-shelf.ts'
import { Transfers } from './transfers.ts'
import { abortable, Places } from './waiting.ts'

/** Which blobs may be where. `cluster/placement` answers. */
export interface Residency {
  /** Whether this node of the cluster may have this blob, whole or in part. */
  mayHold(node: NodeId, digest: Digest): Promise<boolean>
  /** Tells when some may have less than before. */
  onTightened(listener: () => void): () => void
}

export interface SwarmComponents {
  readonly blobs: BlobStore
  readonly network: Network
  readonly roster: Roster
  readonly residency: Residency
  /** The key the node's libp2p peer id is made of. */
  readonly identity: Ed25519PrivateKey
  /** What may go over the links between sites; everything where it is left out. */
  readonly links?: LinkRules
  /** Whether it is what records are made from, which crosses any link. */
  readonly isOfRecords?: (digest: Digest) => Promise<boolean>
  readonly logger: Logger
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

export interface SwarmInit {
  /** Where the swarm's TLS listener binds. */
  readonly host: string
  /** 0 takes any free one; `address()` tells which. */
  readonly port: number
  /** Where piece hashes are kept between starts. */
  readonly directory: string
  /** Bytes a second this node sends by torrent at most. */
  readonly uploadBytesPerSecond?: number
  /** Sockets, TLS and torrents run in a thread of their own: what a node wants that serves HTTP besides. */
  readonly thread?: boolean
}

/**
 * Blobs from and to the other members: BitTorrent inside mutual TLS for large ones, a libp2p stream for
 * small ones and where BitTorrent does not get through.
 */
export class Swarm implements BlobSource, Startable {
  readonly #components: SwarmComponents
  readonly #engine: Engine
  readonly #shelf: TorrentShelf
  readonly #sessions: Sessions
  readonly #answering: Answering
  readonly #transfers: Transfers
  readonly #distrust: Distrust
  readonly #fetches = new Map<Digest, Fetch>()
  readonly #running = new Set<Promise<void>>()
  readonly #places = new Places(FETCHES_CONCURRENT_MAX, FETCHES_WAITING_MAX)
  #unfollow = () => {}
  #stopping: AbortController | undefined

  constructor(components: SwarmComponents, init: SwarmInit) {
    const { blobs, network, logger, timers, clock, links = NO_LINKS } = components
    const mayHold = (member: NodeId, digest: Digest) => this.mayHold(member, digest)
    this.#components = components
    this.#transfers = new Transfers(logger)
    this.#distrust = new Distrust(clock)
    const parts = { ...components, links, self: network.self }
    const engineInit: EngineInit = {
      ...init,
      accept: (member, infoHash, connection) => void this.#sessions.accept(member, infoHash, connection),
    }
    this.#engine = init.thread ? new ThreadedEngine(parts, engineInit) : new LocalEngine(parts, engineInit)
    this.#shelf = new TorrentShelf({ blobs, logger }, init.directory)
    this.#sessions = new Sessions({
      engine: this.#engine,
      blobs,
      shelf: this.#shelf,
      transfers: this.#transfers,
      logger,
      timers,
      mayHold,
    })
    this.#answering = new Answering({
      blobs,
      shelf: this.#shelf,
      transfers: this.#transfers,
      timers,
      links,
      isOfRecords: components.isOfRecords ?? (async () => false),
      mayHold,
      fetching: (digest) => this.#fetching(digest)?.partial,
    })
  }

  /** @throws Fault PORT_IN_USE, LISTEN_FAILED */
  async start(): Promise<void> {
    const served = this.#stopping !== undefined
    this.#stopping = new AbortController()
    await this.#shelf.start()
    this.#sessions.start()
    this.#unfollow = this.#components.residency.onTightened(() => void this.#sessions.dropUnentitled())
    try {
      await this.#engine.start()
    } catch (error) {
      await this.stop()
      throw error
    }
    if (served) return // a network keeps its handlers
    await this.#components.network.handle(BLOB_PROTOCOL, async (channel) => {
      if (this.#stopping) await this.#answering.serve(channel, this.#stopping.signal)
    })
  }

  async stop(): Promise<void> {
    this.#stopping?.abort(new Fault('BLOB_FETCH_FAILED', 'the swarm of this node stops'))
    this.#unfollow()
    await Promise.allSettled(this.#running)
    await this.#sessions.stop()
    await this.#engine.stop()
    await this.#shelf.stop()
  }

  /** Where the swarm's TLS listener is bound. */
  address(): { readonly host: string; readonly port: number } | undefined {
    return this.#engine.address()
  }

  /** What went between this node and the others. */
  transfers(): TransferStatus {
    return this.#transfers.status()
  }

  /** Torrents that are awake: being fetched, or served to somebody. */
  activeTorrents(): number {
    return this.#sessions.count
  }

  /** Whether this member may have this blob, whole or in part. Every way a byte can leave asks here. */
  async mayHold(member: NodeId, digest: Digest): Promise<boolean> {
    const { roster, residency } = this.#components
    return roster.isMember(member) && (await residency.mayHold(member, digest))
  }

  /** What this node itself has of a blob. */
  async holding(digest: Digest): Promise<'whole' | 'part' | 'none'> {
    if (await this.#components.blobs.stat(digest)) return 'whole'
    return this.#fetching(digest)?.incoming.size === undefined ? 'none' : 'part'
  }

  get pieces(): PieceSink {
    return this.#shelf
  }

  announce(digest: Digest, size: number): void {
    // Others ask when they want it; by then the pieces shall be hashed, where the push has not done so.
    if (size >= TORRENT_BYTES_MIN) this.#shelf.prepare(digest)
  }

  /** @throws Fault RESIDENCY_FORBIDS where this node may not have the blob */
  async fetch(
    digest: Digest,
    signal?: AbortSignal,
    { purpose = 'pull' }: FetchOptions = {},
  ): Promise<IncomingBlob | undefined> {
    signal?.throwIfAborted()
    const { residency, network } = this.#components
    if (!(await residency.mayHold(network.self, digest))) {
      throw new Fault('RESIDENCY_FORBIDS', 'no project lets the site of this node have the blob', { digest })
    }
    const held = this.#fetching(digest) ? undefined : await this.#components.blobs.stat(digest)
    if (held) return this.#held(digest, held.size)
    const fetch = this.#fetching(digest) ?? this.#begin(digest, purpose)
    fetch.wantedFor(purpose)
    return abortable(fetch.incoming.found, signal)
  }

  #fetching(digest: Digest): Fetch | undefined {
    const fetch = this.#fetches.get(digest)
    return fetch?.incoming.over ? undefined : fetch
  }

  #begin(digest: Digest, purpose: Purpose): Fetch {
    const stopping = this.#stopping?.signal
    if (!stopping || stopping.aborted) {
      throw new Fault('BLOB_FETCH_FAILED', 'the swarm of this node does not run', { digest })
    }
    const { network, roster } = this.#components
    const fetch = new Fetch(
      {
        ...this.#components,
        links: this.#components.links ?? NO_LINKS,
        self: network.self,
        sessions: this.#sessions,
        engine: this.#engine,
        transfers: this.#transfers,
        distrust: this.#distrust,
        shelf: this.#shelf,
        mayHold: (member, digest) => this.mayHold(member, digest),
        nameOf: (member) => roster.get(member)?.name ?? member,
      },
      digest,
      purpose,
    )
    this.#fetches.set(digest, fetch)
    const running = this.#run(fetch, stopping).finally(() => {
      this.#running.delete(running)
      if (this.#fetches.get(digest) === fetch) this.#fetches.delete(digest)
    })
    this.#running.add(running)
    return fetch
  }

  async #run(fetch: Fetch, signal: AbortSignal): Promise<void> {
    let giveBack: (() => void) | undefined
    try {
      giveBack = await this.#places.take(signal)
    } catch (error) {
      return fetch.fail(error)
    }
    await fetch.run(signal).finally(giveBack)
  }

  /** It has come in the meantime. */
  #held(digest: Digest, size: number): IncomingBlob {
    const { blobs } = this.#components
    return {
      size,
      committed: Promise.resolve(),
      async *stream(range?: ByteRange, signal?: AbortSignal) {
        const blob = await blobs.open(digest)
        if (!blob) throw new Fault('BLOB_FETCH_FAILED', 'the blob was deleted while it was read', { digest })
        try {
          yield* blob.stream(range, signal)
        } finally {
          await blob.close()
        }
      },
    }
  }
}
