import type { Duplex } from 'node:stream'
import type { Wire } from 'webtorrent'
import type { Timers } from '../../src/runtime/timers.ts'
import { REQUESTS_OPEN_MAX, SEND_AHEAD_BYTES_MAX } from './limits.ts'
import type { Pace } from './pace.ts'
import { BLOCK_BYTES, type BlockInlet } from './piece-buffer.ts'

const PIECE = 7
/** Its kind, the piece and the offset, before the bytes of a block. */
const BLOCK_HEADER_BYTES = 9

interface Request {
  readonly piece: number
  readonly offset: number
  readonly length: number
}

export interface WirePipeComponents {
  readonly socket: Duplex
  readonly wire: Wire
  readonly timers: Timers
  /** Undefined where nothing bounds it. */
  readonly pace: Pace | undefined
  /** Where the bytes of a block that was asked for may go without a detour. */
  readonly inlet: (piece: number, offset: number, length: number) => BlockInlet | undefined
  readonly blame: (reason: string) => void
}

/**
 * The bytes between a wire and its socket, in the place of webtorrent's chain of six streams. Blocks go from the
 * socket to their place in the piece with one copy; what leaves is written in batches; and a request is only
 * served, or so much as read from disk, when the socket has taken most of what was served before.
 */
export class WirePipe {
  readonly #parts: WirePipeComponents
  readonly #outbox: Uint8Array[] = []
  readonly #asked: Request[] = []
  readonly #serveStock: Wire['_onRequest']
  /** The beginning of a message whose rest has not come yet. */
  #held: Buffer | undefined
  #heldBytes = 0
  #inlet: BlockInlet | undefined
  #inletRequest: Request = { piece: 0, offset: 0, length: 0 }
  #inletBytes = 0
  #isFlushDue = false
  #isPaused = false
  #outboxBytes = 0
  #callOff = () => {}
  #closed = false

  constructor(parts: WirePipeComponents) {
    this.#parts = parts
    const { wire, socket } = parts
    // Formatted for nobody, several times a block.
    wire._debug = () => {}
    this.#serveStock = wire._onRequest.bind(wire)
    wire._push = (bytes) => this.#push(bytes)
    wire._onRequest = (piece, offset, length) => this.#onRequest({ piece, offset, length })
    wire.on('cancel', (piece: number, offset: number, length: number) =>
      this.#forget((one) => one.piece === piece && one.offset === offset && one.length === length),
    )
    const end = wire.end.bind(wire)
    wire.end = () => {
      this.#close()
      return end()
    }
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.once('close', () => this.#close())
  }

  #close(): void {
    this.#closed = true
    this.#callOff()
    this.#asked.length = 0
    this.#outbox.length = 0
    this.#inlet = undefined
    this.#held = undefined
  }

  #onData(chunk: Buffer): void {
    const { wire } = this.#parts
    for (let at = 0; at < chunk.length && !this.#closed; ) {
      if (this.#inlet) {
        at += this.#fill(this.#inlet, chunk, at)
        continue
      }
      const size = wire._parserSize
      if (this.#heldBytes === 0 && chunk.length - at >= size) {
        at += size
        wire._parser(chunk.subarray(at - size, at))
        continue
      }
      at += this.#hold(chunk, at, size)
    }
  }

  /** @returns how many bytes of the chunk were used */
  #hold(chunk: Buffer, at: number, size: number): number {
    const { wire } = this.#parts
    // First the header alone: where it begins a block that was asked for, the rest goes to its place.
    const isMessage = wire._parser === wire._onMessage && size > BLOCK_HEADER_BYTES
    const wanted = isMessage && this.#heldBytes < BLOCK_HEADER_BYTES ? BLOCK_HEADER_BYTES : size
    if (!this.#held || this.#held.length < wanted) this.#held = longer(this.#held, this.#heldBytes, wanted)
    const used = chunk.copy(
      this.#held,
      this.#heldBytes,
      at,
      Math.min(chunk.length, at + wanted - this.#heldBytes),
    )
    this.#heldBytes += used
    if (this.#heldBytes < wanted) return used
    if (wanted < size) {
      this.#openInlet(this.#held, size - BLOCK_HEADER_BYTES)
    } else {
      const message = this.#held
      this.#letGo()
      wire._parser(message)
    }
    return used
  }

  #letGo(): void {
    this.#held = undefined
    this.#heldBytes = 0
  }

  #openInlet(header: Buffer, length: number): void {
    if (header[0] !== PIECE) return
    const piece = header.readUInt32BE(1)
    const offset = header.readUInt32BE(5)
    const isAsked = this.#parts.wire.requests.some(
      (one) => one.piece === piece && one.offset === offset && one.length === length,
    )
    const inlet = isAsked ? this.#parts.inlet(piece, offset, length) : undefined
    if (!inlet) return
    this.#letGo()
    this.#inlet = inlet
    this.#inletBytes = 0
    this.#inletRequest = { piece, offset, length }
  }

  #fill(inlet: BlockInlet, chunk: Buffer, at: number): number {
    const { wire } = this.#parts
    const { piece, offset, length } = this.#inletRequest
    const part = chunk.subarray(at, at + length - this.#inletBytes)
    if (inlet.open) inlet.bytes.set(part, this.#inletBytes)
    this.#inletBytes += part.length
    if (this.#inletBytes < length) return part.length
    this.#inlet = undefined
    wire._parse(4, wire._onMessageLength)
    wire._onPiece(piece, offset, inlet.bytes)
    return part.length
  }

  #push(bytes: Uint8Array): void {
    if (this.#closed) return
    this.#outbox.push(bytes)
    this.#outboxBytes += bytes.length
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    // After everything that is ready now has been said, too.
    process.nextTick(() => this.#flush())
  }

  #flush(): void {
    this.#isFlushDue = false
    const { socket } = this.#parts
    const parts = this.#outbox.splice(0)
    const total = this.#outboxBytes
    this.#outboxBytes = 0
    if (this.#closed || parts.length === 0) return
    const taken = () => this.#serve()
    if (total < BLOCK_BYTES) {
      socket.write(parts.length === 1 ? parts[0] : Buffer.concat(parts, total), taken)
      return
    }
    socket.cork()
    for (const [index, part] of parts.entries()) {
      if (index === parts.length - 1) socket.write(part, taken)
      else socket.write(part)
    }
    socket.uncork()
  }

  #onRequest(request: Request): void {
    const { wire, blame } = this.#parts
    // webtorrent says no, where the fast extension lets it.
    if (wire.amChoking) return this.#serveStock(request.piece, request.offset, request.length)
    this.#asked.push(request)
    if (this.#asked.length > REQUESTS_OPEN_MAX * 2) {
      blame('more is asked for at once than was allowed')
      wire.destroy()
    } else {
      this.#serve()
    }
  }

  #forget(which: (request: Request) => boolean): void {
    const at = this.#asked.findIndex(which)
    if (at >= 0) this.#asked.splice(at, 1)
  }

  #serve(): void {
    const { wire, socket, pace, timers } = this.#parts
    let served = 0
    while (!this.#closed && !this.#isPaused && served < this.#asked.length) {
      const reading = wire.peerRequests.length * BLOCK_BYTES
      if (reading + this.#outboxBytes + socket.writableLength >= SEND_AHEAD_BYTES_MAX) break
      const { piece, offset, length } = this.#asked[served] as Request
      const waitMs = pace?.take(length) ?? 0
      if (waitMs > 0) {
        this.#isPaused = true
        this.#callOff = timers.after(waitMs, () => {
          this.#isPaused = false
          this.#serve()
        })
        break
      }
      served++
      this.#serveStock(piece, offset, length)
    }
    this.#asked.splice(0, served)
  }
}

/** Of most messages no more than the header is ever held: blocks are made room for elsewhere. */
function longer(held: Buffer | undefined, heldBytes: number, length: number): Buffer {
  const longer = Buffer.allocUnsafe(length)
  held?.copy(longer, 0, 0, heldBytes)
  return longer
}
