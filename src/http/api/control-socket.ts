import { chmod, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '../../errors.ts'
import type { Startable } from '../../runtime/startable.ts'
import { HttpServer, type HttpServerParts } from '../server.ts'

const CRADLE = '.control-'
/** The kernel takes 107 bytes for a socket's path, less what the place it is born in adds. */
const PATH_BYTES_MAX = 107 - `/${CRADLE}XXXXXX/s`.length

/**
 * The door of the machine's own administrator: a unix socket that only this node's user may open. It comes
 * into being inside a directory nobody else may enter, so there is no moment at which others could.
 */
export class ControlSocket implements Startable {
  readonly #parts: HttpServerParts
  readonly #path: string
  #server: HttpServer | undefined
  #cradle: string | undefined

  /** @param path where the socket is to be; what stands there from a crash gives way */
  constructor(parts: HttpServerParts, { path }: { readonly path: string }) {
    this.#parts = parts
    this.#path = path
  }

  /** @throws Fault CONTROL_SOCKET_PATH_TOO_LONG */
  async start(): Promise<void> {
    const directory = dirname(this.#path)
    if (Math.max(Buffer.byteLength(directory), Buffer.byteLength(this.#path)) > PATH_BYTES_MAX) {
      throw new Fault('CONTROL_SOCKET_PATH_TOO_LONG', 'the data directory’s path is too long for a socket', {
        path: this.#path,
        bytesMax: PATH_BYTES_MAX,
      })
    }
    // Cradles of a process that was killed; it alone can have left them, for a directory has one node.
    for (const name of await readdir(directory)) {
      if (name.startsWith(CRADLE)) await rm(join(directory, name), { recursive: true, force: true })
    }
    this.#cradle = await mkdtemp(join(directory, CRADLE))
    const born = join(this.#cradle, 's')
    this.#server = new HttpServer(this.#parts, { path: born })
    await this.#server.start()
    await chmod(born, 0o600)
    await rename(born, this.#path)
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
    if (this.#cradle === undefined) return
    await rm(this.#path, { force: true })
    await rm(this.#cradle, { recursive: true, force: true })
  }
}
