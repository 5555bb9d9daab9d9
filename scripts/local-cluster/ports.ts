import { once } from 'node:events'
import { createServer } from 'node:net'

/** How far a port may move when its own is taken. */
const TRIES_MAX = 500

/** The first free port from `wanted` on that is not in `given`; it goes into `given`. */
export async function freePort(wanted: number, given: Set<number>): Promise<number> {
  for (let port = wanted; port < wanted + TRIES_MAX; port++) {
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`no free port from ${wanted} on`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen({ host: '127.0.0.1', port, exclusive: true })
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
