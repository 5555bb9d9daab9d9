import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Check } from '../runtime.ts'

export interface Listener {
  readonly purpose: string
  readonly host: string
  readonly port: number
  /** Flag that changes it. */
  readonly flag: string
}

/**
 * Whether the node could listen there.
 * @param running a node of ours has the data directory open: its own ports are taken by itself
 */
export async function checkPort({ purpose, host, port, flag }: Listener, running: boolean): Promise<Check> {
  const name = `${purpose} port`
  const at = `${host}:${port}`
  const server = createServer()
  try {
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
    const closed = once(server, 'close')
    server.close()
    await closed
    if (!running || port === 0)
      return { name, status: 'ok', detail: port === 0 ? `${at}: any free one` : `${at} is free` }
    const detail = `${at} is free, though a node runs: it was started with other settings`
    return { name, status: 'warn', detail, advice: 'compare with `flotilla status`' }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE' && running)
      return { name, status: 'ok', detail: `${at} is open, by the running node` }
    const reasons: Record<string, string> = {
      EADDRINUSE: 'is taken by another program',
      EACCES: 'needs rights this user has not',
      EADDRNOTAVAIL: 'is no address of this machine',
    }
    const detail = `${at} ${reasons[code ?? ''] ?? `cannot be opened (${code})`}`
    return { name, status: 'fail', detail, advice: `choose another one with ${flag}` }
  }
}
