import { afterAll, beforeAll, expect, test } from 'vitest'
import { client } from '../support/clients.ts'
import { agreed, type Cluster, type NodeProcess, PATIENCE_MS, startCluster } from '../support/cluster.ts'
import { cut } from '../support/cut.ts'
import { NodeClient } from '../support/node-client.ts'

let cluster: Cluster
let mend: (() => Promise<void>) | undefined
beforeAll(async () => {
  cluster = await startCluster(2)
}, 2 * PATIENCE_MS)
afterAll(async () => {
  await mend?.()
  await cluster?.stop()
})

test('two halves go on alone, and agree when the link is back without anybody writing', async (context) => {
  const iptables = client('iptables')
  if (!iptables || process.getuid?.() !== 0)
    return context.skip('iptables, or the right to use it, is missing')
  const [left, right] = cluster.nodes as [NodeProcess, NodeProcess]
  const sides = [new NodeClient(left, cluster.admin), new NodeClient(right, cluster.admin)] as const
  expect((await sides[0].pushImage('library/app', 'stable', Buffer.from('before the cut'))).status).toBe(201)
  await agreed(cluster.nodes)

  mend = await cut(iptables, cluster.nodes)
  const alone = async () =>
    (await Promise.all(cluster.nodes.map((node) => node.status()))).flatMap(({ members }) =>
      members.filter(({ self, connected }) => !self && connected),
    )
  await expect.poll(alone, { timeout: PATIENCE_MS }).toEqual([])
  const digests: string[] = []
  for (const [index, side] of sides.entries()) {
    const { status, digest } = await side.pushImage('library/app', 'stable', Buffer.from(`side ${index}`))
    expect(status).toBe(201)
    expect((await side.pull('library/app', 'manifests/stable')).status).toBe(200)
    digests.push(digest)
    const account = {
      username: 'twin',
      password: `Correct-Horse-${index}`,
      email: `t${index}@example.org`,
      realname: 'T',
    }
    expect((await side.api('POST', '/users', account)).status).toBe(201)
  }
  expect((await left.status()).stateHash).not.toBe((await right.status()).stateHash)

  await mend()
  await agreed(cluster.nodes)
  const [here, there] = await Promise.all(
    sides.map((side) => side.registry('HEAD', 'library/app', 'manifests/stable')),
  )
  const winner = here?.headers.get('docker-content-digest')
  expect(digests).toContain(winner)
  expect(there?.headers.get('docker-content-digest')).toBe(winner)
  for (const digest of digests) {
    for (const side of sides) expect((await side.pull('library/app', `manifests/${digest}`)).status).toBe(200)
  }
  // Two people, one name: one keeps it, and neither's password opens the other's account.
  const users = (await sides[0].api('GET', '/users?page_size=100')).body as { username: string }[]
  const twins = users.map(({ username }) => username).filter((name) => name.startsWith('twin'))
  expect(twins.sort()).toEqual(['twin', expect.stringMatching(/^twin~[0-9a-f]{4}$/)])
  for (const node of cluster.nodes) {
    const entries = [0, 1].map(
      (n) => new NodeClient(node, { username: 'twin', password: `Correct-Horse-${n}` }),
    )
    const statuses = await Promise.all(
      entries.map(async (entry) => (await entry.api('GET', '/users/current')).status),
    )
    expect(new Set(statuses)).toEqual(new Set([200, 401]))
  }
}, 180_000)
