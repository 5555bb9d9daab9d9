import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { Socket } from 'node:net'

/**
 * Loaded before a node's program by `--import`: it goes on when it learns that it was evicted, as the program of
 * somebody who has broken in would, and writes down what its sockets read from the members' ports.
 *
 * FLOTILLA_TEST_PORTS  which ports are counted: {"4510": "cluster", "4511": "swarm"}
 * FLOTILLA_TEST_BYTES  the file: a line of JSON for each reading, {at, kind, bytes}
 */
const CHANGES: readonly (readonly [file: RegExp, from: string, to: string])[] = [
  [/\/cluster\/participant\.[jt]s$/, 'this.#end = resolve', 'void resolve'],
  // Or its clients would be shut out, and nobody ask it for anything.
  [/\/src\/access\/tokens\.[jt]s$/, "row?.state !== 'member'", '!row'],
]

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    const [, from, to] = CHANGES.find(([file]) => file.test(url)) ?? []
    if (from === undefined || to === undefined) return loaded
    const { source: raw } = loaded
    const source = typeof raw === 'string' ? raw : Buffer.from((raw ?? '') as Uint8Array).toString()
    if (!source.includes(from)) throw new Error(`the node’s program reads otherwise than it did: ${from}`)
    return { ...loaded, source: source.replaceAll(from, to) }
  },
})

const kinds = new Map(Object.entries(JSON.parse(process.env.FLOTILLA_TEST_PORTS ?? '{}') as object))
const sockets = new Map<Socket, { kind: string; read: number }>()

function count(socket: Socket, port: number | string | undefined): void {
  const kind = kinds.get(String(port)) as string | undefined
  if (kind === undefined || sockets.has(socket)) return
  sockets.set(socket, { kind, read: 0 })
  socket.once('close', () => {
    read(socket)
    sockets.delete(socket)
  })
}

function read(socket: Socket): void {
  const known = sockets.get(socket)
  if (!known || socket.bytesRead <= known.read) return
  const bytes = socket.bytesRead - known.read
  known.read = socket.bytesRead
  const line = JSON.stringify({ at: Date.now(), kind: known.kind, bytes })
  appendFileSync(process.env.FLOTILLA_TEST_BYTES ?? '/dev/null', `${line}\n`)
}

const connect = Reflect.get(Socket.prototype, 'connect') as (...args: unknown[]) => Socket
Reflect.set(Socket.prototype, 'connect', function (this: Socket, ...args: unknown[]) {
  const [first] = args.flat() as [{ port?: number } | number | undefined]
  count(this, typeof first === 'object' ? first?.port : first)
  return Reflect.apply(connect, this, args)
})
subscribe('net.server.socket', (message) => {
  const { socket } = message as { socket: Socket }
  count(socket, socket.localPort)
})
setInterval(() => {
  for (const socket of sockets.keys()) read(socket)
}, 20).unref()
