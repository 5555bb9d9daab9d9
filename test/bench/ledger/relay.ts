import { connect, createServer, type Socket } from 'node:net'

/** On the way in one direction; a sender fills this and waits, as with TCP's window on a good long line. */
const IN_FLIGHT_BYTES_MAX = 8 * 2 ** 20

export interface Relay {
  readonly port: number
  /** Bytes that went from the target to whoever dialled. */
  bytesBack(): number
  stop(): Promise<void>
}

/** A line of that delay each way to `targetPort`: TCP on 127.0.0.1, bytes in order, none lost. */
export async function startRelay(targetPort: number, oneWayMs: number): Promise<Relay> {
  const sockets = new Set<Socket>()
  let back = 0
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1')
    for (const socket of [near, far]) {
      socket.setNoDelay(true)
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    carry(near, far, oneWayMs, () => {})
    carry(far, near, oneWayMs, (bytes) => {
      back += bytes
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the relay has no port')
  return {
    port: address.port,
    bytesBack: () => back,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function carry(from: Socket, to: Socket, delayMs: number, note: (bytes: number) => void): void {
  let inFlight = 0
  from.on('data', (chunk: Buffer) => {
    inFlight += chunk.length
    note(chunk.length)
    if (inFlight > IN_FLIGHT_BYTES_MAX) from.pause()
    setTimeout(() => {
      inFlight -= chunk.length
      if (!to.destroyed) to.write(chunk)
      if (from.isPaused() && inFlight <= IN_FLIGHT_BYTES_MAX) from.resume()
    }, delayMs)
  })
  from.on('end', () => setTimeout(() => to.end(), delayMs))
  // Not where it ended in order: what is still to be written would be lost.
  from.on('close', () => setTimeout(() => (from.readableEnded ? to.end() : to.destroy()), delayMs))
}
