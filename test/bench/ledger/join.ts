import { createReadStream, createWriteStream } from 'node:fs'
import { cp, writeFile } from 'node:fs/promises'
import { createServer, get, type IncomingMessage } from 'node:http'
import { join as joinPath } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { count, type Figure, mebibytes, ms, ratio } from '../figures.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { type Kind, RemotePeer, untilEqual } from './peer.ts'
import { startRelay } from './relay.ts'
import { storeOf } from './stores.ts'

const ONE_WAY_MS = 100
const PATIENCE_MS = 20 * 60_000

interface Joined {
  /** Undefined where it never had everything. */
  readonly elapsedMs: number | undefined
  readonly peak: number
  readonly bytes: number
  readonly httpMs: number
}

/** A newcomer with an empty store takes in what `provider` holds, at 200 ms round trip. */
async function newcomer(kind: Kind, provider: RemotePeer, directory: string): Promise<Joined> {
  const [address] = provider.addresses as [string]
  const relay = await startRelay(Number(/\/tcp\/(\d+)/.exec(address)?.[1]), ONE_WAY_MS)
  const relays = [relay]
  const swarm: string[] = []
  if (kind === 'ours') {
    await provider.call('snapshot')
    for (const place of await provider.call<string[]>('swarm')) {
      const line = await startRelay(Number(place.split(':').at(-1)), ONE_WAY_MS)
      relays.push(line)
      swarm.push(`127.0.0.1:${line.port}`)
    }
  }
  const cluster = await provider.call<string>('cluster')
  const late = await RemotePeer.start(kind, joinPath(directory, `${kind}-late`), cluster)
  try {
    await provider.call('admit', late.id)
    await provider.call('meet', late.id, [])
    const startedAt = performance.now()
    await late.call('meet', provider.id, [address.replace(/\/tcp\/\d+/, `/tcp/${relay.port}`)], swarm)
    while (!(await late.call<string[]>('connected')).includes(provider.id))
      await new Promise((resolve) => setTimeout(resolve, 20))
    await late.call('catchUp', provider.id)
    const rest = await untilEqual([provider, late], PATIENCE_MS)
    const elapsedMs = rest === undefined ? undefined : performance.now() - startedAt
    const { peak } = await late.call<{ peak: number }>('memory')
    const bytes = relays.reduce((sum, line) => sum + line.bytesBack(), 0)
    return { elapsedMs, peak, bytes, httpMs: await copyByHttp(bytes, directory) }
  } finally {
    await late.stop()
    for (const line of relays) await line.stop()
  }
}

/** Milliseconds to copy so many bytes by plain HTTP through the same kind of line, to stable storage. */
async function copyByHttp(bytes: number, directory: string): Promise<number> {
  const source = joinPath(directory, 'source')
  await writeFile(source, Buffer.alloc(bytes, 'x'))
  const server = createServer((_request, response) => createReadStream(source).pipe(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const relay = await startRelay((server.address() as { port: number }).port, ONE_WAY_MS)
  const startedAt = performance.now()
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ host: '127.0.0.1', port: relay.port, agent: false }, resolve).on('error', reject)
  })
  await pipeline(response, createWriteStream(joinPath(directory, 'copy'), { flush: true }))
  const elapsedMs = performance.now() - startedAt
  await relay.stop()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  return elapsedMs
}

async function ours(ops: number, together: number): Promise<Joined> {
  const store = await storeOf(ops, together)
  return inScratch(async (directory) => {
    // A copy, since admitting the newcomer writes to it.
    const place = joinPath(directory, 'provider')
    await cp(store.directory, place, { recursive: true })
    const provider = await RemotePeer.start('ours', place, store.cluster)
    try {
      return await newcomer('ours', provider, directory)
    } finally {
      await provider.stop()
    }
  })
}

async function stock(ops: number): Promise<Joined> {
  return inScratch(async (directory) => {
    const provider = await RemotePeer.start('stock', joinPath(directory, 'provider'))
    try {
      await provider.call('burst', ops, 1, 'op')
      return await newcomer('stock', provider, directory)
    } finally {
      await provider.stop()
    }
  })
}

/** Newcomers: with whatever `Replication` does to bring one up to date. */
export async function join(scale: Scale): Promise<Figure[]> {
  const cases: [number, number, string][] = scale.brief
    ? [[20_000, 64, '']]
    : [
        [20_000, 1, ''],
        [100_000, 64, '8 s, 400 MiB, 4x'],
      ]
  if (scale.long) cases.push([1_000_000, 64, '60 s, 4x'])
  const stockOps = scale.brief ? 100 : 1_000
  const beside = await stock(stockOps)
  const figures: Figure[] = []
  for (const [ops, together, goal] of cases) {
    const joined = await ours(ops, together)
    figures.push({
      bench: 'join',
      what: `newcomer at ${2 * ONE_WAY_MS} ms round trip: ${count(ops)} ops, ${together} an entry (stock ${count(stockOps)})`,
      ours: shown(joined),
      stock: shown(beside),
      goal,
    })
  }
  return figures
}

function shown({ elapsedMs, peak, bytes, httpMs }: Joined): string {
  if (elapsedMs === undefined) return `not in ${ms(PATIENCE_MS)}`
  const times = `${ratio(elapsedMs, httpMs)} of HTTP's ${ms(httpMs)}`
  return `${ms(elapsedMs)}, peak ${mebibytes(peak)}, ${mebibytes(bytes)} sent, ${times}`
}
