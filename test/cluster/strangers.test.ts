import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { client } from '../support/clients.ts'
import { agreed, type Cluster, type NodeProcess, PATIENCE_MS, startCluster } from '../support/cluster.ts'
import { NodeClient } from '../support/node-client.ts'

let cluster: Cluster
let node: NodeProcess
let infohash: string
let digest: string
beforeAll(async () => {
  cluster = await startCluster(2)
  node = cluster.nodes[0] as NodeProcess
  const admin = new NodeClient(node, cluster.admin)
  digest = (await admin.pushBlob('library/secret', randomBytes(4 * 1024 * 1024))).digest
  await agreed(cluster.nodes)
  // The second node's pull has the first make its torrent, whose file begins with the infohash.
  const second = new NodeClient(cluster.nodes[1] as NodeProcess, cluster.admin)
  expect((await second.pull('library/secret', `blobs/${digest}`)).bytes).toHaveLength(4 * 1024 * 1024)
  const hex = digest.slice('sha256:'.length)
  const torrent = await readFile(join(node.dataDir, 'torrents/sha256', hex.slice(0, 2), hex))
  infohash = torrent.subarray(0, 20).toString('hex')
}, 3 * PATIENCE_MS)
afterAll(() => cluster?.stop())

test('aria2c that knows infohash and port gets no byte', async (context) => {
  const aria2c = client('aria2c')
  if (!aria2c) return context.skip('aria2c is missing')
  const sentBy = async () => {
    const { torrent, direct } = (await node.status()).transfers
    return torrent.bytesSent + direct.bytesSent
  }
  const sent = await sentBy()
  expect(sent).toBeGreaterThanOrEqual(4 * 1024 * 1024)
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-stranger-'))
  try {
    const magnet = `magnet:?xt=urn:btih:${infohash}&x.pe=127.0.0.1:${node.ports.swarm}`
    const options = [
      '--enable-dht=false',
      '--bt-enable-lpd=false',
      '--bt-stop-timeout=6',
      '--seed-time=0',
      '-d',
      directory,
    ]
    const output = await new Promise<string>((resolve) => {
      execFile(aria2c, [...options, magnet], { timeout: 20_000 }, (_error, out, err) =>
        resolve(`${out}${err}`),
      )
    })
    expect(output).not.toMatch(/\(OK\)|download completed/)
    expect(await readdir(directory)).toEqual([])
    expect(await sentBy()).toBe(sent)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}, 60_000)

test('a plain BitTorrent handshake on any port of the node is answered by no handshake', async () => {
  const hello = Buffer.concat([
    Buffer.from([19]),
    Buffer.from('BitTorrent protocol'),
    Buffer.alloc(8),
    Buffer.from(infohash, 'hex'),
    Buffer.from('-XX0001-strangerhere'),
  ])
  for (const port of [node.ports.swarm, node.ports.cluster]) {
    const socket = connect(port, '127.0.0.1')
    const heard: Buffer[] = []
    socket.on('data', (bytes: Buffer) => heard.push(bytes))
    // A reset is as good a refusal as an end.
    socket.on('error', () => {})
    const closed = new Promise((resolve) => socket.on('close', resolve))
    await once(socket, 'connect')
    socket.write(hello)
    await closed
    const answer = Buffer.concat(heard)
    expect(answer.includes('BitTorrent protocol')).toBe(false)
    expect(answer.includes(Buffer.from(infohash, 'hex'))).toBe(false)
  }
}, 60_000)

test('someone from nowhere may read a public project and nothing else', async () => {
  const paths = ['/api/v2.0/cluster', '/api/v2.0/users', '/v2/_catalog', '/v2/library/secret/tags/list']
  const statuses = await Promise.all(paths.map(async (path) => (await fetch(`${node.url}${path}`)).status))
  expect(statuses).toEqual([401, 401, 401, 401])
}, 30_000)
