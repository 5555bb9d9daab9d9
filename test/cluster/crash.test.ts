import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Cluster, type NodeProcess, PATIENCE_MS, startCluster } from '../support/cluster.ts'
import { NodeClient } from '../support/node-client.ts'

const MIB = 1024 * 1024
const SIZE = 1024 * MIB
const REPOSITORY = 'library/crash'

let cluster: Cluster
let node: NodeProcess
beforeAll(async () => {
  cluster = await startCluster(1)
  node = cluster.nodes[0] as NodeProcess
}, PATIENCE_MS)
afterAll(() => cluster?.stop())

/** 1 GiB that no two megabytes of are alike, without holding it: a counter in front of random bytes. */
const filler = randomBytes(MIB - 8)
function chunk(index: number): Buffer {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(index))
  return Buffer.concat([counter, filler])
}

function* from(offset: number): Generator<Buffer> {
  for (let index = Math.floor(offset / MIB); index * MIB < SIZE; index++) {
    yield chunk(index).subarray(Math.max(0, offset - index * MIB))
  }
}

function digestOfAll(): string {
  const hash = createHash('sha256')
  for (const bytes of from(0)) hash.update(bytes)
  return `sha256:${hash.digest('hex')}`
}

/** Sends everything from `offset` in one PATCH; resolves with the status, or undefined when the node went away. */
async function patch(
  location: string,
  offset: number,
  authorization: string,
  onSent: (sent: number) => void,
) {
  const headers = {
    authorization,
    'content-range': `${offset}-${SIZE - 1}`,
    'content-length': String(SIZE - offset),
  }
  const sending = request(new URL(location, node.url), { method: 'PATCH', headers })
  const answer = new Promise<number | undefined>((resolve) => {
    sending.on('response', (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sending.on('error', () => resolve(undefined))
  })
  let sent = 0
  for (const bytes of from(offset)) {
    if (sending.destroyed) break
    const room = sending.write(bytes)
    sent += bytes.length
    onSent(sent)
    if (!room) await Promise.race([once(sending, 'drain').catch(() => {}), answer])
  }
  sending.end()
  return answer
}

test('a push of 1 GiB cut by kill -9 leaves nothing readable, and goes on where the disk has it', async () => {
  const client = new NodeClient(node, cluster.admin)
  const digest = digestOfAll()
  const started = await client.registry('POST', REPOSITORY, 'blobs/uploads/')
  expect(started.status).toBe(202)
  const location = started.headers.get('location') ?? ''
  let killed: Promise<void> | undefined
  const status = await patch(location, 0, `Bearer ${await client.token(REPOSITORY)}`, (sent) => {
    if (sent > SIZE / 2) killed ??= node.kill('SIGKILL')
  })
  await killed
  expect(status).toBeUndefined()

  await node.serve()
  expect((await client.pull(REPOSITORY, `blobs/${digest}`)).status).toBe(404)
  const standing = await client.registry('GET', REPOSITORY, location)
  expect(standing.status).toBe(204)
  const last = Number(standing.headers.get('range')?.split('-')[1])
  expect(last).toBeGreaterThan(MIB)
  expect(last).toBeLessThan(SIZE - 1)

  const resumed = await patch(location, last + 1, `Bearer ${await client.token(REPOSITORY)}`, () => {})
  expect(resumed).toBe(202)
  const done = await client.registry('PUT', REPOSITORY, `${location}?digest=${digest}`)
  expect(done.status).toBe(201)

  const answer = await client.registry('GET', REPOSITORY, `blobs/${digest}`)
  const hash = createHash('sha256')
  for await (const bytes of answer.body ?? []) hash.update(bytes as Uint8Array)
  expect(`sha256:${hash.digest('hex')}`).toBe(digest)
}, 180_000)

test('a blob that was acknowledged is there after kill -9', async () => {
  const client = new NodeClient(node, cluster.admin)
  const bytes = randomBytes(3 * MIB)
  const { status, digest } = await client.pushBlob(REPOSITORY, bytes)
  await node.kill('SIGKILL')
  expect(status).toBe(201)
  await node.serve()
  const pulled = await client.pull(REPOSITORY, `blobs/${digest}`)
  expect(pulled.bytes.equals(bytes)).toBe(true)
}, 60_000)
