import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BlobWhere, PlacementStatus } from '../../src/registry/placement-view.ts'
import { agreed, type Cluster, type NodeProcess, PATIENCE_MS, startCluster } from '../support/cluster.ts'
import { NodeClient } from '../support/node-client.ts'

let cluster: Cluster
let node1: NodeProcess
let node2: NodeProcess
let node3: NodeProcess

beforeAll(async () => {
  cluster = await startCluster(3)
  ;[node1, node2, node3] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess]
}, 8 * PATIENCE_MS)
afterAll(() => cluster?.stop())

const admin = (node: NodeProcess) => new NodeClient(node, cluster.admin)
const told = async <T>(path: string) => (await admin(node1).api('GET', path)).body as T
const where = (digest: string) => told<BlobWhere>(`/cluster/blobs/${digest}`)
const placed = async (name: string) =>
  (await told<PlacementStatus>('/cluster/placement')).projects.find((project) => project.name === name)
const holders = async (digest: string) =>
  (await where(digest)).members.filter(({ have }) => have === 'whole').map(({ name }) => name)

/** Digests a node has files of. */
async function onDisk(node: NodeProcess): Promise<string[]> {
  const files = await readdir(join(node.dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return files.filter((file) => file.isFile()).map(({ name }) => name)
}

const hex = (digest: string) => digest.slice('sha256:'.length)

async function project(name: string, metadata: Record<string, string>): Promise<void> {
  const { status } = await admin(node1).api('POST', '/projects', { project_name: name, metadata })
  expect(status).toBe(201)
  await agreed(cluster.nodes.filter(({ runs }) => runs))
}

const received = async (node: NodeProcess) => {
  const { transfers } = await node.status()
  return transfers.torrent.bytesReceived + transfers.direct.bytesReceived
}

describe('residency', () => {
  test('keeps a project’s bytes from a node outside: no byte on its disk, none in its counters, a pull is refused in words', async () => {
    await project('closed', { residency: 'site-node1,site-node2', placement: 'everywhere' })
    const before = await received(node3)
    const layer = randomBytes(3 << 20)
    const image = await admin(node1).pushImage('closed/app', 'one', layer)
    expect(image.status).toBe(201)
    await agreed(cluster.nodes)
    await expect.poll(() => holders(image.digest), { timeout: PATIENCE_MS }).toEqual(['node1', 'node2'])

    const pulled = await admin(node3).pull('closed/app', 'manifests/one')
    expect(pulled.status).toBe(403)
    const [error] = (JSON.parse(pulled.bytes.toString()) as { errors: { code: string; message: string }[] })
      .errors
    expect(error).toMatchObject({ code: 'DENIED' })
    expect(error?.message).toContain('kept to site-node1, site-node2')
    expect(error?.message).toContain(node1.url)
    expect((await admin(node2).pull('closed/app', 'manifests/one')).status).toBe(200)

    const { members } = await where(image.digest)
    expect(members.find(({ name }) => name === 'node3')).toMatchObject({ have: 'none', should: 'must-not' })
    const manifest = JSON.parse(
      (await admin(node1).pull('closed/app', 'manifests/one')).bytes.toString(),
    ) as {
      config: { digest: string }
      layers: { digest: string }[]
    }
    const files = await onDisk(node3)
    for (const digest of [image.digest, manifest.layers[0]?.digest ?? ''])
      expect(files.filter((file) => file.includes(hex(digest)))).toEqual([])
    expect(await received(node3)).toBe(before)
  }, 300_000)

  test('takes no push at a node outside', async () => {
    const begun = await admin(node3).registry('POST', 'closed/app', 'blobs/uploads/')
    expect(begun.status).toBe(403)
  })
})

describe('durability', () => {
  test('answers a push when two sites hold it, and not before', async () => {
    await project('safe', { durability: '2', durability_wait: '120', durability_fallback: 'refuse' })
    const image = await admin(node1).pushImage('safe/app', 'one', randomBytes(5 << 20))
    expect(image.status).toBe(201)
    // It is asked for after the answer, without waiting for anything.
    await node1.kill('SIGKILL')
    const pulls = [node2, node3].map((node) => admin(node).pull('safe/app', 'manifests/one'))
    expect((await Promise.all(pulls)).map(({ status }) => status)).toContain(200)
    await node1.serve()
    await agreed(cluster.nodes)
  }, 300_000)

  test('warns or refuses, as the project says, where no other site is there in time', async () => {
    await project('hasty', { durability: '2', durability_wait: '1' })
    await project('strict', { durability: '3', durability_wait: '1', durability_fallback: 'refuse' })
    await node2.kill('SIGTERM')
    await node3.kill('SIGTERM')
    const layer = Buffer.from('a layer')
    const put = async (name: string) => {
      const { digest } = await admin(node1).pushBlob(name, layer)
      const manifest = {
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: layer.length },
        layers: [],
      }
      const headers = { 'content-type': manifest.mediaType }
      return admin(node1).registry('PUT', name, 'manifests/x', { headers, body: JSON.stringify(manifest) })
    }
    const hasty = await put('hasty/app')
    expect(hasty.status).toBe(201)
    expect(hasty.headers.get('warning')).toMatch(/^299 - "stored at 1 of 2 sites after 1 s/)
    const strict = await put('strict/app')
    expect(strict.status).toBe(503)
    expect(await strict.json()).toMatchObject({
      errors: [{ code: 'DURABILITY_UNMET', detail: { sites: 1, wanted: 3, recorded: false } }],
    })
    expect((await admin(node1).pull('strict/app', 'manifests/x')).status).toBe(404)
    await node2.serve()
    await node3.serve()
    await agreed(cluster.nodes)
    // What was only warned of follows.
    const { headers } = await admin(node1).registry('HEAD', 'hasty/app', 'manifests/x')
    const digest = headers.get('docker-content-digest') ?? ''
    await expect.poll(async () => (await holders(digest)).length, { timeout: PATIENCE_MS }).toBe(2)
  }, 300_000)
})

describe('copies', () => {
  test('are made anew elsewhere when a node that kept them is put out', async () => {
    await project('copied', { placement: 'sites:2' })
    const image = await admin(node1).pushImage('copied/app', 'one', randomBytes(2 << 20))
    await expect.poll(async () => (await holders(image.digest)).length, { timeout: PATIENCE_MS }).toBe(2)
    expect(await placed('copied')).toMatchObject({ placement: 'sites:2' })
    const keeper = (await holders(image.digest)).find((name) => name !== 'node1') as string
    const other = keeper === 'node2' ? 'node3' : 'node2'
    expect((await admin(node1).api('DELETE', `/cluster/members/${keeper}`)).status).toBe(200)
    await expect.poll(() => holders(image.digest), { timeout: PATIENCE_MS }).toEqual(['node1', other])
    await expect
      .poll(async () => (await placed('copied'))?.sites, { timeout: PATIENCE_MS })
      .toEqual([
        expect.objectContaining({ site: 'site-node1', wanted: 3, placed: 3 }),
        expect.objectContaining({ site: `site-${other}`, wanted: 3, placed: 3 }),
      ])
  }, 300_000)
})
