import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clients } from '../support/clients.ts'
import { agreed, type Cluster, type NodeProcess, PATIENCE_MS, startCluster } from '../support/cluster.ts'
import { debianImage } from '../support/debian-image.ts'
import { NodeClient } from '../support/node-client.ts'

const run = promisify(execFile)
let cluster: Cluster
let work: string
let node1: NodeProcess
let node2: NodeProcess
let node3: NodeProcess

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'flotilla-three-sites-'))
  cluster = await startCluster(3)
  ;[node1, node2, node3] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess]
}, 3 * PATIENCE_MS)

afterAll(async () => {
  await cluster?.stop()
  await rm(work, { recursive: true, force: true })
})

const admin = (node: NodeProcess) => new NodeClient(node, cluster.admin)

/** Digests of the manifest and its blobs in an OCI layout. */
async function digestsOf(layout: string): Promise<{ manifest: string; blobs: string[] }> {
  const read = async (path: string) => JSON.parse(await readFile(join(layout, path), 'utf8')) as unknown
  const index = (await read('index.json')) as { manifests: { digest: string }[] }
  const manifest = index.manifests[0]?.digest ?? ''
  const document = (await read(`blobs/${manifest.replace(':', '/')}`)) as {
    config: { digest: string }
    layers: { digest: string }[]
  }
  return { manifest, blobs: [document.config, ...document.layers].map((one) => one.digest).sort() }
}

describe('a real image pushed at one site', () => {
  const image = 'library/debian:bookworm'

  test('is pulled at both others with equal digests, its layer by BitTorrent, by every client alike', async (context) => {
    const layout = await debianImage()
    const tools = clients('skopeo', 'crane', 'oras', 'regctl', 'podman')
    if (!layout || !tools) return context.skip('a client program is missing')
    const { username, password } = cluster.admin
    const pushed = await digestsOf(layout)
    const destination = ['--dest-tls-verify=false', `--dest-creds=${username}:${password}`]
    await run(tools.skopeo, [
      'copy',
      ...destination,
      `oci:${layout}:bookworm`,
      `docker://${node1.host}/${image}`,
    ])
    await agreed(cluster.nodes)

    for (const node of [node2, node3]) {
      const target = join(work, node.name)
      await run(tools.skopeo, [
        'copy',
        '--src-tls-verify=false',
        `docker://${node.host}/${image}`,
        `oci:${target}:b`,
      ])
      expect(await digestsOf(target)).toEqual(pushed)
      const { transfers } = await node.status()
      expect(transfers.torrent.bytesReceived).toBeGreaterThan(20_000_000)
      const layer = transfers.recent.find(({ transport }) => transport === 'torrent')
      expect(pushed.blobs).toContain(layer?.digest)
      expect(layer?.from).toContain('node1')
    }

    const reference = `${node3.host}/${image}`
    const config = { ...process.env, HOME: work, REGISTRY_AUTH_FILE: join(work, 'auth.json') }
    const crane = await run(tools.crane, ['digest', '--insecure', reference], { env: config })
    const oras = await run(tools.oras, ['resolve', '--plain-http', reference], { env: config })
    await run(tools.regctl, ['registry', 'set', '--tls', 'disabled', '--skip-check', node3.host], {
      env: config,
    })
    const regctl = await run(tools.regctl, ['image', 'digest', reference], { env: config })
    expect([crane, oras, regctl].map(({ stdout }) => stdout.trim())).toEqual(Array(3).fill(pushed.manifest))

    const storage = [
      '--root',
      join(work, 'podman'),
      '--runroot',
      join(work, 'run'),
      '--storage-driver',
      'vfs',
    ]
    const podman = (...args: string[]) => run(tools.podman, [...storage, ...args], { env: config })
    await podman('login', '--tls-verify=false', '-u', username, '-p', password, node2.host)
    await podman('pull', '--tls-verify=false', `${node2.host}/${image}`)
    const inspected = await podman('image', 'inspect', '--format', '{{.Digest}}', `${node2.host}/${image}`)
    expect(inspected.stdout.trim()).toBe(pushed.manifest)
    await podman('tag', `${node2.host}/${image}`, `${node2.host}/library/again:1`)
    await podman('push', '--tls-verify=false', `${node2.host}/library/again:1`)
    expect((await admin(node2).pull('library/again', 'manifests/1')).status).toBe(200)
  }, 300_000)
})

describe('accounts and roles', () => {
  const alice = { username: 'alice', password: 'Correct-Horse-7' }

  test('made at one site hold at the others', async () => {
    const created = await admin(node3).api('POST', '/users', {
      ...alice,
      email: 'a@example.org',
      realname: 'Alice',
    })
    expect(created.status).toBe(201)
    const atNode1 = new NodeClient(node1, alice)
    await expect
      .poll(async () => (await atNode1.api('GET', '/users/current')).status, { timeout: PATIENCE_MS })
      .toBe(200)

    const project = { project_name: 'shop', metadata: { public: 'false' } }
    expect((await admin(node1).api('POST', '/projects', project)).status).toBe(201)
    await agreed(cluster.nodes)
    const atNode3 = new NodeClient(node3, alice)
    const mayPush = async () => (await atNode3.registry('POST', 'shop/app', 'blobs/uploads/')).status === 202
    expect(await mayPush()).toBe(false)
    const developer = { role_id: 2, member_user: { username: 'alice' } }
    expect((await admin(node1).api('POST', '/projects/shop/members', developer)).status).toBe(201)
    await expect.poll(mayPush, { timeout: PATIENCE_MS }).toBe(true)
  }, 120_000)

  test('a token issued at one node is taken at another, and by nobody once its user is gone', async () => {
    const bob = { username: 'bob', password: 'Correct-Horse-8' }
    const { status } = await admin(node1).api('POST', '/users', {
      ...bob,
      email: 'b@example.org',
      realname: 'Bob',
    })
    expect(status).toBe(201)
    const authorization = `Bearer ${await new NodeClient(node1, bob).token('library/x', 'pull')}`
    const ping = async () => (await fetch(`${node2.url}/v2/`, { headers: { authorization } })).status
    await expect.poll(ping, { timeout: PATIENCE_MS }).toBe(200)
    const users = (await admin(node3).api('GET', '/users?page_size=100')).body as {
      user_id: number
      username: string
    }[]
    const id = users.find(({ username }) => username === 'bob')?.user_id
    expect((await admin(node3).api('DELETE', `/users/${id}`)).status).toBe(200)
    await expect.poll(ping, { timeout: PATIENCE_MS }).toBe(401)
  }, 60_000)
})

describe('a node that is killed', () => {
  test('does not keep the others from pushing and pulling, and catches up when it is back', async () => {
    await node2.kill('SIGKILL')
    const layer = Buffer.alloc(600_000, 'layer')
    const one = await admin(node1).pushImage('library/while-away', 'one', layer)
    expect(one.status).toBe(201)
    await expect
      .poll(async () => (await admin(node3).pull('library/while-away', 'manifests/one')).status, {
        timeout: PATIENCE_MS,
      })
      .toBe(200)
    const two = await admin(node3).pushImage('library/while-away', 'two', Buffer.alloc(600_000, 'other'))
    expect(two.status).toBe(201)

    await node2.serve()
    await agreed(cluster.nodes)
    for (const reference of ['one', 'two', one.digest, two.digest]) {
      expect((await admin(node2).pull('library/while-away', `manifests/${reference}`)).status).toBe(200)
    }
  }, 180_000)
})

describe('membership', () => {
  test('an evicted node is shut out by the others, and stops answering for the cluster', async () => {
    const { self } = await node3.status()
    await node1.cli('evict', 'node3', '--yes')
    await expect
      .poll(async () => (await node2.status()).members.find(({ id }) => id === self), {
        timeout: PATIENCE_MS,
      })
      .toMatchObject({ state: 'evicted', connected: false })
    // It hears of it before the line is cut, and does not go on taking pushes nobody will see.
    await expect.poll(() => node3.runs, { timeout: PATIENCE_MS }).toBe(false)
    const pushed = await admin(node1).pushImage('library/after-eviction', 'x', Buffer.alloc(400_000, 'z'))
    expect(pushed.status).toBe(201)
    await agreed([node1, node2])
  }, 120_000)
})
