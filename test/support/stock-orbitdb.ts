import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createOrbitDB, IPFSAccessController, type StockDatabase, type StockOrbitDB } from '@orbitdb/core'
import { ClassicLevel } from 'classic-level'
import { createLibp2p } from 'libp2p'

/** Asks a peer for one block by its CID; far less work than bitswap, which a full IPFS node would do. */
const BLOCK_PROTOCOL = '/stock/block/1'

/**
 * A peer as OrbitDB comes: createOrbitDB with its own storages, Sync and access controller, over libp2p by
 * TCP on 127.0.0.1 with gossipsub. Only the IPFS node under it is the smallest it accepts: blocks in Level,
 * what is missing asked of connected peers one by one.
 */
export interface StockPeer {
  readonly libp2p: Libp2p
  readonly orbitdb: StockOrbitDB
  /** Peers it neither dials nor lets in. */
  readonly banned: Set<string>
  addresses(): string[]
  dial(address: string): Promise<void>
  /** Anybody may write where no `AccessController` is given. */
  open(name: string, AccessController?: unknown): Promise<StockDatabase>
  /** No longer waits for blocks nobody has, which takes half a minute each. */
  giveUp(): void
  close(): Promise<void>
}

export async function startStock(directory: string, given: { id?: string } = {}): Promise<StockPeer> {
  mkdirSync(directory, { recursive: true })
  const banned = new Set<string>()
  const libp2p = await startLibp2p(banned)
  const blocks = new ClassicLevel<string, Uint8Array>(join(directory, 'blocks'), { valueEncoding: 'view' })
  await blocks.open()
  await libp2p.handle(BLOCK_PROTOCOL, async (stream) => {
    for await (const question of stream) {
      const found = await blocks.get(new TextDecoder().decode(question.subarray()))
      if (found) stream.send(found)
      await stream.close()
      return
    }
  })
  const patience = new AbortController()
  const pinned = new Set<string>()
  const ipfs = {
    libp2p,
    blockstore: {
      put: (cid: unknown, bytes: Uint8Array) => blocks.put(String(cid), bytes),
      async *get(cid: unknown, { signal }: { signal?: AbortSignal } = {}) {
        const own = await blocks.get(String(cid))
        const found =
          own ??
          (await askPeers(libp2p, String(cid), AbortSignal.any([patience.signal, signal ?? patience.signal])))
        if (!own && found) await blocks.put(String(cid), found)
        if (found) yield found
      },
    },
    pins: {
      isPinned: async (cid: unknown) => pinned.has(String(cid)),
      async *add(cid: unknown) {
        pinned.add(String(cid))
        yield cid
      },
    },
  }
  const orbitdb = await createOrbitDB({ ipfs, directory: join(directory, 'orbitdb'), ...given })
  return {
    libp2p,
    orbitdb,
    banned,
    addresses: () => libp2p.getMultiaddrs().map(String),
    async dial(address) {
      await libp2p.dial(multiaddr(address))
    },
    open: (name, AccessController = IPFSAccessController({ write: ['*'] })) =>
      orbitdb.open(name, { type: 'keyvalue', AccessController }),
    giveUp: () => patience.abort(),
    async close() {
      patience.abort()
      await orbitdb.stop()
      await libp2p.stop()
      await blocks.close()
    },
  }
}

async function startLibp2p(banned: ReadonlySet<string>): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: {
      denyDialMultiaddr: () => false,
      denyDialPeer: (peer) => banned.has(peer.toString()),
      denyInboundEncryptedConnection: (peer) => banned.has(peer.toString()),
    },
    services: { identify: identify(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) },
  })
}

async function askPeers(libp2p: Libp2p, cid: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  for (;;) {
    for (const peer of libp2p.getPeers()) {
      const found = await askPeer(libp2p, peer, cid, signal).catch(() => undefined)
      if (found) return found
    }
    // As an IPFS node does: it goes on looking until whoever asks has lost patience.
    await new Promise((resolve) => setTimeout(resolve, 20))
    signal.throwIfAborted()
  }
}

async function askPeer(
  libp2p: Libp2p,
  peer: PeerId,
  cid: string,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const stream = await libp2p.dialProtocol(peer, BLOCK_PROTOCOL, { signal })
  stream.send(new TextEncoder().encode(cid))
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(part.subarray())
  await stream.close()
  return parts.length > 0 ? Buffer.concat(parts) : undefined
}
