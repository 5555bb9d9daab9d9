import { Duplex } from 'node:stream'
import { callbackify } from 'node:util'
import type { Pace } from '../links/links.ts'

/**
 * The socket as its user sees it, with every byte paced and counted. A write waits for its turn; what is read is
 * counted as it comes, and not read faster than its user takes it.
 */
export function pacedSocket(socket: Duplex, pace: Pace): Duplex {
  const closing = new AbortController()
  const send = callbackify((bytes: number) => pace.send(bytes, closing.signal))
  const paced = new Duplex({
    read: () => void socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      send(chunk.length, (error) => (error ? done(error) : void socket.write(chunk, done)))
    },
    final: (done) => void socket.end(done),
    destroy(error, done) {
      closing.abort(error ?? new Error('the connection is closed'))
      socket.destroy()
      done(error)
    },
  })
  // Who is told of an error is whoever uses it; that nobody does yet must not end the process.
  paced.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    pace.received(chunk.length)
    if (!paced.push(chunk)) socket.pause()
  })
  socket.on('end', () => paced.push(null))
  socket.on('close', () => paced.destroy())
  socket.pause()
  return paced
}
