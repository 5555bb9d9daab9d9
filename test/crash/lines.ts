import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

const current = new AsyncLocalStorage<Lines>()
for (const channel of ['net.client.socket', 'net.server.socket']) {
  subscribe(channel, (message) => current.getStore()?.add((message as { socket: Socket }).socket))
}

/** The connections of one node among several in a process: the kernel ends them when the process of a node dies. */
export class Lines {
  readonly #sockets = new Set<Socket>()
  #isCut = false

  /** Everything `live` opens and lets in belongs to it. */
  during<T>(live: () => T): T {
    return current.run(this, live)
  }

  add(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (this.#isCut) setImmediate(() => socket.destroy())
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }
}
