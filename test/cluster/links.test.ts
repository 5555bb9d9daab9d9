import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LinkStatus } from '../../src/registry/topology.ts'
import { agreed, type Cluster, type NodeProcess, PATIENCE_MS, startCluster } from '../support/cluster.ts'
import { NodeClient } from '../support/node-client.ts'

const MB = 1_000_000
const PAIR = ['site-node1', 'site-node2'] as const
let cluster: Cluster
let node1: NodeProcess
let node2: NodeProcess

beforeAll(async () => {
  cluster = await startCluster(2)
  ;[node1, node2] = cluster.nodes as [NodeProcess, NodeProcess]
}, 3 * PATIENCE_MS)
afterAll(() => cluster?.stop())

const admin = (node: NodeProcess) => new NodeClient(node, cluster.admin)
const linkAt = async (node: NodeProcess) => {
  const links = await node.json<LinkStatus[]>('links')
  return links.find(({ link }) => link === PAIR.join('/')) as LinkStatus
}

/** Pushed at node1 and known at node2. */
async function pushed(bytes: number): Promise<string> {
  const layer = randomBytes(bytes)
  await admin(node1).pushImage('library/far', 'latest', layer)
  const { digest } = await admin(node1).pushBlob('library/far', layer)
  await agreed(cluster.nodes)
  return digest
}

/** The answer of node2 to a pull, and how long it took in seconds. */
async function pulled(digest: string) {
  const began = performance.now()
  const answer = await admin(node2).registry('GET', 'library/far', `blobs/${digest}`)
  const text = await answer.arrayBuffer().then(
    (body) => Buffer.from(body),
    () => undefined,
  )
  return { status: answer.status, text, seconds: (performance.now() - began) / 1000 }
}

describe('a link between two sites', () => {
  test('that is forbidden at one node carries no byte at the other, and who pulls is told which and what helps', async () => {
    const digest = await pushed(2 * MB)
    await node2.cli('links', 'set', ...PAIR, '--forbid')
    await agreed(cluster.nodes)
    const { status, text } = await pulled(digest)
    expect(status).toBe(503)
    expect(text?.toString()).toContain('LINK_CLOSED')
    expect(text?.toString()).toContain('flotilla links set site-node1 site-node2 --allow')
    for (const node of cluster.nodes) {
      expect(await linkAt(node)).toMatchObject({ class: 'closed', closed: 'forbidden', usedBytes: 0 })
      const { torrent, direct } = (await node.status()).transfers
      expect(torrent.bytesSent + direct.bytesSent).toBe(0)
    }
    await node1.cli('links', 'clear', ...PAIR)
    await agreed(cluster.nodes)
    expect(await pulled(digest)).toMatchObject({ status: 200 })
  }, 240_000)

  test('keeps its rate, and its budget ends it; both nodes tell the same, after a restart, too', async () => {
    const before = (await linkAt(node2)).usedBytes
    expect(before).toBeGreaterThan(2 * MB)
    await node1.cli('links', 'set', ...PAIR, '--rate', '1MB/s', '--budget', `${before + 6 * MB}`)
    const within = await pushed(4 * MB)
    const { status, seconds } = await pulled(within)
    expect(status).toBe(200)
    expect(4 / seconds).toBeLessThan(1.15)
    const beyond = await pushed(8 * MB)
    const end = await pulled(beyond)
    expect(end.text?.length ?? 0).not.toBe(8 * MB)
    if (end.status !== 200) expect(end.text?.toString()).toContain('LINK_CLOSED')
    const spent = await linkAt(node1)
    expect(spent).toMatchObject({ class: 'closed', closed: 'budget' })
    expect(spent.usedBytes / (spent.budget as number)).toBeLessThan(1.1)
    const again = await pulled(beyond)
    expect([again.status, again.text?.toString()]).toEqual([
      503,
      expect.stringMatching(/used up its \d+ bytes of this month and opens again at .*--budget SIZE/),
    ])
    for (const node of [node1, node2]) {
      await node.kill('SIGTERM')
      await node.serve()
    }
    await agreed(cluster.nodes)
    for (const node of cluster.nodes) {
      const { closed, usedBytes } = await linkAt(node)
      expect([closed, usedBytes >= (spent.budget as number)]).toEqual(['budget', true])
    }
  }, 300_000)

  test('can be bounded at a node that is cut off; what two said apart is shown until somebody chooses', async () => {
    const [one, two] = [node1, node2]
    await one.kill()
    await two.cli('links', 'set', ...PAIR, '--budget', 'none', '--rate', '3MB/s')
    await two.kill('SIGTERM')
    await one.serve()
    await one.cli('links', 'set', ...PAIR, '--rate', '2MB/s')
    await two.serve()
    await agreed(cluster.nodes)
    const [here, there] = await Promise.all(cluster.nodes.map(linkAt))
    expect(here).toEqual({ ...there, rttMs: here?.rttMs, forecastBytes: here?.forecastBytes })
    expect(here).toMatchObject({ budget: null, disputed: ['rate'] })
    expect(await two.cli('conflicts')).toMatch(/link site-node1 - site-node2, rate "(?:2|3)000000"/)
    const found = await two.json<{ id: string; kind: string }[]>('conflicts')
    const { id } = found.find(({ kind }) => kind === 'link.policy-set') as { id: string }
    await two.cli('conflicts', 'repair', id, '--take')
    await agreed(cluster.nodes)
    const taken = await linkAt(one)
    expect([taken.disputed, taken.rate !== here?.rate]).toEqual([[], true])
  }, 300_000)
})
