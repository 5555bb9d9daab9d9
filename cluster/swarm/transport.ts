import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { NodeId } from '../network/network.ts'
import { type Certificate, certificateOf, nodeOf } from './certificate.ts'
import type { WireLinks } from './engine-links.ts'
import {
  CONNECTIONS_MAX,
  CONNECTIONS_PER_MEMBER_MAX,
  CONNECTIONS_UNKNOWN_MAX,
  HANDSHAKE_TIMEOUT_MS,
  REFUSAL_LOG_INTERVAL_MS,
} from './limits.ts'
import { pacedSocket } from './paced-socket.ts'
import { within } from './waiting.ts'

/** The BitTorrent wire inside TLS, in its first form. */
const ALPN = 'flotilla-swarm/1'

const TLS = {
  minVersion: 'TLSv1.3',
  // AES-128 first: it is what processors do fastest.
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
  ALPNProtocols: [ALPN],
  // No authority signs these certificates; whose key it is decides, below.
  rejectUnauthorized: false,
} as const

/** What a torrent is wanted for only its fetcher knows: here a wire is as open as for who waits. */
const WIRE = 'pull'

export interface TransportComponents {
  readonly identity: Ed25519PrivateKey
  readonly roster: Roster
  readonly links: WireLinks
  readonly logger: Logger
  readonly timers: Timers
}

export interface TransportInit {
  readonly host: string
  readonly port: number
  /** Takes over a socket that a current member has opened; nothing was read from it. */
  readonly accept: (member: NodeId, socket: Duplex) => void
}

/**
 * Mutual TLS 1.3 between members on the swarm's one port. Both ends check that the key of the other's
 * certificate IS the Ed25519 key of a current member before any byte reaches the torrent wire. A socket
 * lives no longer than its member's membership, and goes over no closed link: this is where the torrents' bytes are
 * paced and counted, as the links between sites ask for.
 */
export class Transport implements Startable {
  readonly #roster: Roster
  readonly #links: WireLinks
  readonly #logger: Logger
  readonly #timers: Timers
  readonly #init: TransportInit
  readonly #certificate: Certificate
  /** Before the handshake is over nobody knows whose they are. */
  readonly #unknown = new Set<Socket>()
  readonly #sockets = new Map<TLSSocket, NodeId>()
  #server: Server | undefined
  #unsubscribe: (() => void)[] = []
  #refused = 0
  #callOff = () => {}

  constructor(components: TransportComponents, init: TransportInit) {
    this.#roster = components.roster
    this.#links = components.links
    this.#logger = components.logger
    this.#timers = components.timers
    this.#init = init
    this.#certificate = certificateOf(components.identity)
  }

  async start(): Promise<void> {
    const server = createServer({
      ...this.#certificate,
      ...TLS,
      requestCert: true,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    })
    this.#server = server
    server.maxConnections = CONNECTIONS_MAX
    server.on('connection', (raw: Socket) => this.#admit(raw))
    server.on('secureConnection', (socket) => this.#identify(socket))
    server.on('tlsClientError', (error, socket) => {
      this.#logger.debug(
        { from: socket.remoteAddress, err: error },
        'swarm: a connection without TLS refused',
      )
      socket.destroy()
    })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        const { host, port } = this.#init
        // Said here: of an error that crosses from the engine's thread only its words arrive.
        const isTaken = 'code' in error && error.code === 'EADDRINUSE'
        const code = isTaken ? 'PORT_IN_USE' : 'LISTEN_FAILED'
        const words = isTaken
          ? `port ${port} on ${host} is in use`
          : `the swarm cannot listen on ${host}:${port}: ${error.message}`
        reject(new Fault(code, words, { host, port }, error))
      })
      server.listen({ host: this.#init.host, port: this.#init.port }, () => {
        server.removeAllListeners('error')
        resolve()
      })
    })
    server.on('error', (error) => this.#logger.error({ err: error }, 'swarm: the listener failed'))
    this.#unsubscribe = [
      this.#roster.onChange(() => this.#dropStrangers()),
      this.#links.onChange(() => this.#dropClosed()),
    ]
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#callOff()
    const server = this.#server
    this.#server = undefined
    for (const socket of [...this.#unknown, ...this.#sockets.keys()]) socket.destroy()
    if (server?.listening) await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  /** Where the swarm listens. */
  address(): { readonly host: string; readonly port: number } | undefined {
    const address = this.#server?.address() as AddressInfo | null | undefined
    return address ? { host: address.address, port: address.port } : undefined
  }

  /**
   * A socket whose other end is this member, proven.
   * @throws Fault SWARM_UNREACHABLE when none of the member's addresses answers as the member, LINK_CLOSED
   */
  async dial(member: NodeId, signal: AbortSignal): Promise<Duplex> {
    const refusal = this.#links.refusal(member, WIRE)
    if (refusal) throw refusal
    let last: unknown
    for (const address of this.#roster.get(member)?.swarm ?? []) {
      signal.throwIfAborted()
      try {
        return await within(this.#timers, HANDSHAKE_TIMEOUT_MS, signal, (signal) =>
          this.#connect(member, address, signal),
        )
      } catch (error) {
        last = error
      }
    }
    throw new Fault(
      'SWARM_UNREACHABLE',
      'the member answers at none of its swarm addresses',
      { member },
      last,
    )
  }

  async #connect(member: NodeId, address: string, signal: AbortSignal): Promise<Duplex> {
    const { host, port } = parseAddress(address)
    if (this.#count(member) >= CONNECTIONS_PER_MEMBER_MAX || this.#sockets.size >= CONNECTIONS_MAX) {
      throw new Fault('SWARM_BUSY', 'too many connections of the swarm are open', { member })
    }
    const socket = connect({ host, port, ...this.#certificate, ...TLS, servername: '' })
    const onAbort = () => socket.destroy(signal.reason as Error)
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('secureConnect', resolve)
        socket.once('error', reject)
        socket.once('close', () => reject(new Fault('SWARM_REFUSED', 'the member closed the connection')))
        signal.addEventListener('abort', onAbort, { once: true })
        if (signal.aborted) onAbort()
      })
      const found = this.#memberOf(socket)
      if (found !== member) {
        throw new Fault('SWARM_STRANGER', 'another node answers at this address', { address, member, found })
      }
      return this.#keep(socket, member)
    } catch (error) {
      socket.on('error', () => {})
      socket.destroy()
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #admit(raw: Socket): void {
    if (this.#unknown.size >= CONNECTIONS_UNKNOWN_MAX) {
      raw.destroy()
      return
    }
    this.#unknown.add(raw)
    raw.once('close', () => this.#unknown.delete(raw))
  }

  #identify(socket: TLSSocket): void {
    // The raw socket is done with being unknown: one end of each pair has the same remote port.
    for (const raw of this.#unknown) {
      if (raw.remotePort === socket.remotePort && raw.remoteAddress === socket.remoteAddress) {
        this.#unknown.delete(raw)
      }
    }
    const member = this.#memberOf(socket)
    if (!member) {
      this.#refuse(socket)
    } else if (this.#count(member) >= CONNECTIONS_PER_MEMBER_MAX) {
      this.#logger.debug({ member }, 'swarm: too many connections of one member')
      socket.destroy()
    } else if (this.#links.refusal(member, WIRE)) {
      socket.on('error', () => {})
      socket.destroy()
    } else {
      this.#init.accept(member, this.#keep(socket, member))
    }
  }

  #refuse(socket: TLSSocket): void {
    const from = socket.remoteAddress
    socket.on('error', () => {})
    socket.destroy()
    this.#refused++
    if (this.#refused > 1) return
    this.#logger.warn({ from }, 'swarm: a connection of no member refused')
    // A scan must not fill the log.
    this.#callOff = this.#timers.after(REFUSAL_LOG_INTERVAL_MS, () => {
      if (this.#refused > 1)
        this.#logger.warn({ more: this.#refused - 1 }, 'swarm: connections of no member refused')
      this.#refused = 0
    })
  }

  /** The current member at the other end: it has just signed the handshake with this key. */
  #memberOf(socket: TLSSocket): NodeId | undefined {
    if (socket.alpnProtocol !== ALPN) return undefined
    const certificate = socket.getPeerX509Certificate()
    const node = certificate && nodeOf(certificate)
    return node !== undefined && this.#roster.isMember(node) ? node : undefined
  }

  #keep(socket: TLSSocket, member: NodeId): Duplex {
    socket.setNoDelay(true)
    socket.on('error', (error) => this.#logger.debug({ member, err: error }, 'swarm: a connection failed'))
    this.#sockets.set(socket, member)
    socket.once('close', () => this.#sockets.delete(socket))
    const pace = this.#links.pace(member, WIRE)
    return pace ? pacedSocket(socket, pace) : socket
  }

  #count(member: NodeId): number {
    let count = 0
    for (const owner of this.#sockets.values()) if (owner === member) count++
    return count
  }

  #dropClosed(): void {
    for (const [socket, member] of this.#sockets) {
      const refusal = this.#links.refusal(member, WIRE)
      if (!refusal) continue
      this.#logger.info({ member, err: refusal }, 'swarm: a connection ends with its link')
      socket.destroy()
    }
  }

  #dropStrangers(): void {
    for (const [socket, member] of this.#sockets) {
      if (this.#roster.isMember(member)) continue
      this.#logger.info({ member }, 'swarm: a connection ends with its membership')
      socket.destroy()
    }
  }
}

/** `host:port`, `[v6]:port`. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host && port > 0 && port < 65_536) return { host, port }
  throw new Fault('ADDRESS_INVALID', 'a swarm address is host:port', { address: address.slice(0, 300) })
}
