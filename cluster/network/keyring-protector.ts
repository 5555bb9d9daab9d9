import type { AbortOptions, ConnectionProtector, MessageStream, MultiaddrConnection } from '@libp2p/interface'
import { AbstractMultiaddrConnection, byteStream, type SendResult } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import { Fault } from '../../src/errors.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { WireKey, WireKeyId, WireKeys } from './keyring.ts'
import { XorStream } from './xor-stream.ts'

/**
 * The wire of libp2p's private networks (@libp2p/pnet reads and writes the same bytes), with many keys:
 *
 *   both     24 random bytes each, in clear: the nonce of what follows in that direction
 *   both     everything after: XSalsa20(key, sender's nonce) XOR data
 *   dialler  begins with the 20 bytes of GREETING, as every libp2p dialler does
 *
 * So the listener knows after 44 bytes whether it holds the dialler's key, and which one it is, before
 * any parser has seen a byte. Nobody else gets further.
 */
const NONCE_BYTES = 24
/** multistream-select's first message, with its length. */
const GREETING = new TextEncoder().encode('\u0013/multistream/1.0.0\n')

export class KeyringProtector implements ConnectionProtector {
  readonly #keys: WireKeys
  readonly #random: Random
  /** By the timeline, the one object a connection keeps from its socket through all upgrades. */
  readonly #used = new WeakMap<object, WireKeyId>()

  constructor(keys: WireKeys, random: Random) {
    this.#keys = keys
    this.#random = random
  }

  /** The key a connection was made with; undefined for one that this protector never let through. */
  keyOf(connection: Pick<MessageStream, 'timeline'>): WireKeyId | undefined {
    return this.#used.get(connection.timeline)
  }

  /**
   * @throws Fault WIRE_REFUSED where the other side, busy, hangs up at once; WIRE_KEY_UNKNOWN where a dialler has a key that is not in the ring
   */
  async protect(connection: MessageStream, options: AbortOptions = {}): Promise<MessageStream> {
    const socket = connection as MultiaddrConnection
    const bytes = byteStream(socket)
    const localNonce = this.#random.bytes(NONCE_BYTES)
    const [nonce] = await Promise.all([
      bytes.read({ bytes: NONCE_BYTES, ...options }),
      bytes.write(localNonce, options),
    ]).catch((error: unknown) => {
      throw new Fault('WIRE_REFUSED', 'the other side hung up before the handshake began', {}, error)
    })
    const remoteNonce = nonce.subarray()
    if (socket.direction === 'outbound') {
      const key = this.#keys.outbound(peerIn(socket))
      this.#used.set(socket.timeline, key.id)
      return protect(bytes.unwrap(), key, localNonce, remoteNonce)
    }
    const greeting = (await bytes.read({ bytes: GREETING.length, ...options })).subarray()
    const key = this.#keys.inbound().find((key) => opens(key, remoteNonce, greeting))
    if (!key) throw new Fault('WIRE_KEY_UNKNOWN', 'the dialler has no key of this cluster')
    this.#used.set(socket.timeline, key.id)
    return protect(bytes.unwrap(), key, localNonce, remoteNonce, greeting)
  }
}

/** Whom the dialled address names; Noise proves it later. */
function peerIn({ remoteAddr }: MultiaddrConnection): string | undefined {
  return /\/p2p\/([^/]+)$/.exec(remoteAddr.toString())?.[1]
}

function opens(key: WireKey, nonce: Uint8Array, greeting: Uint8Array): boolean {
  return Buffer.compare(new XorStream(key.key, nonce).update(greeting), GREETING) === 0
}

function protect(
  socket: MultiaddrConnection,
  key: WireKey,
  localNonce: Uint8Array,
  remoteNonce: Uint8Array,
  alreadyRead?: Uint8Array,
): MessageStream {
  // Its close event has passed already, nobody would tell us.
  if (socket.status !== 'open')
    throw new Fault('PEER_UNREACHABLE', 'the connection closed during its handshake')
  const outbound = new XorStream(key.key, localNonce)
  const inbound = new XorStream(key.key, remoteNonce)
  return new ProtectedConnection(socket, outbound, inbound, alreadyRead)
}

/** libp2p asks for its own abstract class here: what buffers, drains and closes is inherited. */
class ProtectedConnection extends AbstractMultiaddrConnection {
  readonly #socket: MultiaddrConnection
  readonly #outbound: XorStream

  constructor(
    socket: MultiaddrConnection,
    outbound: XorStream,
    inbound: XorStream,
    alreadyRead: Uint8Array | undefined,
  ) {
    super({
      log: socket.log.newScope('keyring'),
      remoteAddr: socket.remoteAddr,
      direction: socket.direction,
      inactivityTimeout: socket.inactivityTimeout,
    })
    this.#socket = socket
    this.#outbound = outbound
    if (alreadyRead) this.onData(inbound.update(alreadyRead))
    socket.addEventListener('message', ({ data }) => {
      for (const part of data instanceof Uint8Array ? [data] : data) this.onData(inbound.update(part))
    })
    socket.addEventListener('drain', () => this.onMuxerDrain())
    socket.addEventListener('close', ({ error, local }) => {
      if (!error) this.onTransportClosed()
      else if (local) this.abort(error)
      else this.onRemoteReset()
    })
  }

  sendData(data: Uint8ArrayList): SendResult {
    const sentBytes = data.byteLength
    return { sentBytes, canSendMore: this.#socket.send(this.#outbound.update(data.subarray())) }
  }

  async sendClose(options?: AbortOptions): Promise<void> {
    await this.#socket.close(options)
  }

  sendReset(error: Error): void {
    this.#socket.abort(error)
  }

  sendPause(): void {
    this.#socket.pause()
  }

  sendResume(): void {
    this.#socket.resume()
  }
}
