import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { agreed, type Cluster, type NodeProcess, PATIENCE_MS, startCluster } from '../support/cluster.ts'
import { NodeClient } from '../support/node-client.ts'

const MB = 1_000_000
const SIZE = 24 * MB
/** Over the link between the sites, so that there is a middle of a transfer. */
const RATE = '4MB/s'

let cluster: Cluster
let hub: NodeProcess
let twin: NodeProcess
let branch: NodeProcess
let fellow: NodeProcess

beforeAll(async () => {
  cluster = await startCluster(4, {}, ['hub', 'hub', 'branch', 'branch'])
  ;[hub, twin, branch, fellow] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess, NodeProcess]
  await hub.cli('links', 'set', 'hub', 'branch', '--rate', RATE)
  await agreed(cluster.nodes)
}, 8 * PATIENCE_MS)
afterAll(() => cluster?.stop())

beforeEach(async () => {
  for (const node of cluster.nodes) if (!node.runs) await node.serve()
  await agreed(cluster.nodes)
}, 4 * PATIENCE_MS)

const admin = (node: NodeProcess) => new NodeClient(node, cluster.admin)

/** Pushed at the hub, and known everywhere. */
async function pushed(): Promise<string> {
  const layer = randomBytes(SIZE)
  expect((await admin(hub).pushImage('library/layer', 'latest', layer)).status).toBe(201)
  await agreed(cluster.nodes)
  return `sha256:${createHash('sha256').update(layer).digest('hex')}`
}

const pull = (node: NodeProcess, digest: string) =>
  admin(node).registry('GET', 'library/layer', `blobs/${digest}`)

/** Reads an answer to its end. @returns the digest of what came */
async function digestOf(answer: Response): Promise<string> {
  expect(answer.status).toBe(200)
  const hash = createHash('sha256')
  for await (const chunk of answer.body ?? []) hash.update(chunk as Uint8Array)
  return `sha256:${hash.digest('hex')}`
}

async function received(node: NodeProcess): Promise<number> {
  const { torrent, direct } = (await node.status()).transfers
  return torrent.bytesReceived + direct.bytesReceived
}

/** Waits until so much has come since `before`. */
const hasGot = (node: NodeProcess, bytes: number, before: number) =>
  expect
    .poll(async () => (await received(node)) - before, { interval: 50, timeout: PATIENCE_MS })
    .toBeGreaterThan(bytes)

describe('a pull', () => {
  test('ends when the only node of the site that fetches over the link is killed in the middle', async () => {
    const digest = await pushed()
    const [atBranch, atFellow] = [await received(branch), await received(fellow)]
    const first = pull(branch, digest).then(digestOf)
    first.catch(() => {}) // its node dies
    await hasGot(branch, SIZE / 6, atBranch)
    const second = pull(fellow, digest).then(digestOf)
    await hasGot(fellow, SIZE / 8, atFellow)
    expect((await received(branch)) - atBranch).toBeLessThan(SIZE)
    await branch.kill()
    expect(await second).toBe(digest)
    expect((await received(fellow)) - atFellow).toBe(SIZE)
  }, 240_000)

  test('goes on without a word to the client when a node that gives is killed and another one has the blob', async () => {
    const digest = await pushed()
    expect(await pull(twin, digest).then(digestOf)).toBe(digest)
    const before = await received(fellow)
    const pulled = pull(fellow, digest).then(digestOf)
    await hasGot(fellow, SIZE / 4, before)
    await hub.kill()
    expect((await received(fellow)) - before).toBeLessThan(SIZE)
    expect(await pulled).toBe(digest)
  }, 240_000)

  test('that a kill of its own node has broken off goes on after the restart from what is on the disk', async () => {
    const digest = await pushed()
    const before = await received(branch)
    const broken = pull(branch, digest).then(digestOf)
    broken.catch(() => {})
    await hasGot(branch, (2 * SIZE) / 3, before)
    await branch.kill()
    await expect(broken).rejects.toThrow()
    await branch.serve()
    await agreed(cluster.nodes)
    expect(await pull(branch, digest).then(digestOf)).toBe(digest)
    expect(await received(branch)).toBeLessThan(SIZE / 2)
  }, 240_000)
})
