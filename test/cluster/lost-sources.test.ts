import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { agreed, type Cluster, type NodeProcess, PATIENCE_MS, startCluster } from '../support/cluster.ts'
import { NodeClient } from '../support/node-client.ts'

const MiB = 1024 * 1024
/** Long enough on the loopback for a process to be killed in the middle of it. */
const SIZE = 192 * MiB
/** What may be on its way when a process dies: the requests it has open, and the pieces it has begun. */
const UNDER_WAY = 24 * MiB

let cluster: Cluster
let origin: NodeProcess
let first: NodeProcess
let second: NodeProcess
/** One node in the north, where blobs are pushed, and two in the south. */
beforeAll(async () => {
  cluster = await startCluster(3, (index) => ({ FLOTILLA_NODE_SITE: index === 0 ? 'north' : 'south' }))
  ;[origin, first, second] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess]
}, 6 * PATIENCE_MS)
afterAll(() => cluster?.stop())

async function pushed(): Promise<string> {
  const { digest, status } = await new NodeClient(origin, cluster.admin).pushBlob(
    'library/app',
    randomBytes(SIZE),
  )
  expect(status).toBe(201)
  await agreed(cluster.nodes)
  return digest
}

/** A client's pull: the digest of what it has read, once it has read it all. */
async function pull(node: NodeProcess, digest: string): Promise<string> {
  const answer = await new NodeClient(node, cluster.admin).registry('GET', 'library/app', `blobs/${digest}`)
  expect(answer.status).toBe(200)
  const hash = createHash('sha256')
  for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) hash.update(chunk)
  return `sha256:${hash.digest('hex')}`
}

const received = async (node: NodeProcess) => (await node.status()).transfers.torrent.bytesReceived
const sent = async (node: NodeProcess) => {
  const { torrent, direct } = (await node.status()).transfers
  return torrent.bytesSent + direct.bytesSent
}

/** Until the node has so much more than it had. */
async function hasGot(node: NodeProcess, before: number, bytes: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const more = (await received(node)) - before
      if (more < bytes) throw new Error(`${more} bytes have come`)
    },
    { timeout: PATIENCE_MS, interval: 20 },
  )
}

test('a node killed in the middle of a pull goes on where it was when it is back', async () => {
  const digest = await pushed()
  const before = await sent(origin)
  const lost = pull(first, digest).catch(() => 'lost')
  await hasGot(first, 0, SIZE / 3)
  await first.kill('SIGKILL')
  expect(await lost).toBe('lost')
  expect(await sent(origin)).toBeLessThan(before + SIZE)
  await first.serve()
  await agreed(cluster.nodes)
  expect(await pull(first, digest)).toBe(digest)
  // The counter of a process begins at nothing: what came after the restart is what was missing.
  expect(await received(first)).toBeLessThan(SIZE - SIZE / 4)
  expect((await sent(origin)) - before).toBeLessThan(SIZE + UNDER_WAY)
}, 240_000)

test('the only one of a site that fetches over the long link is killed: the site finishes', async () => {
  const digest = await pushed()
  const [atFirst, atSecond] = [await received(first), await received(second)]
  const lost = pull(first, digest).catch(() => 'lost')
  await hasGot(first, atFirst, SIZE / 16)
  const pulling = pull(second, digest)
  await hasGot(second, atSecond, SIZE / 16)
  await first.kill('SIGKILL')
  expect(await lost).toBe('lost')
  expect(await pulling).toBe(digest)
  await first.serve()
  await agreed(cluster.nodes)
  expect(await pull(first, digest)).toBe(digest)
}, 240_000)

test('the seeder is killed with another holder alive: the client does not notice', async () => {
  const digest = await pushed()
  expect(await pull(first, digest)).toBe(digest)
  const before = await received(second)
  const pulling = pull(second, digest)
  // It stands at the own site, so it is the one that gives.
  await hasGot(second, before, SIZE / 8)
  await first.kill('SIGKILL')
  expect(await pulling).toBe(digest)
}, 240_000)
