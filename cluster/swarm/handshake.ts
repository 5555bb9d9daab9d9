import type { Duplex } from 'node:stream'
import { Fault } from '../../src/errors.ts'

/*
 * The first bytes of the wire (BEP 3):
 *   0   19
 *   1   "BitTorrent protocol"
 *   20  8 reserved bytes
 *   28  20 bytes infohash
 *   48  20 bytes peer id
 */
const GREETING = Buffer.from('\x13BitTorrent protocol')
const INFOHASH_START = 28
const INFOHASH_END = 48

/**
 * The infohash the other side greets with. Every byte stays in the socket, so that the torrent it names
 * can be woken, and asked for in the member's name, before the wire sees the greeting.
 */
export function peekInfoHash(socket: Duplex, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0)
    const end = (settle: () => void) => {
      socket.off('readable', onReadable)
      socket.off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      if (seen.length > 0 && !socket.destroyed) socket.unshift(seen)
      settle()
    }
    const onReadable = () => {
      for (let chunk = socket.read() as Buffer | null; chunk; chunk = socket.read() as Buffer | null) {
        seen = Buffer.concat([seen, chunk])
      }
      const greeted = Math.min(seen.length, GREETING.length)
      if (!seen.subarray(0, greeted).equals(GREETING.subarray(0, greeted))) {
        end(() => reject(new Fault('HANDSHAKE_INVALID', 'the peer does not speak BitTorrent')))
      } else if (seen.length >= INFOHASH_END) {
        end(() => resolve(seen.toString('hex', INFOHASH_START, INFOHASH_END)))
      }
    }
    const onClose = () => end(() => reject(new Fault('HANDSHAKE_INVALID', 'the peer left before it greeted')))
    const onAbort = () => end(() => reject(signal.reason as Error))
    socket.on('readable', onReadable)
    socket.on('close', onClose)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    else onReadable()
  })
}
