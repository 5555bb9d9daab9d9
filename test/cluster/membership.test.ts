import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  agreed,
  type Cluster,
  freePorts,
  NodeProcess,
  PATIENCE_MS,
  startCluster,
} from '../support/cluster.ts'

let cluster: Cluster
let first: NodeProcess
let second: NodeProcess
const more: NodeProcess[] = []

beforeAll(async () => {
  cluster = await startCluster(2)
  ;[first, second] = cluster.nodes as [NodeProcess, NodeProcess]
}, 3 * PATIENCE_MS)
afterAll(async () => {
  await Promise.all(more.map((node) => node.kill('SIGTERM')))
  await cluster?.stop()
})

async function another(name: string): Promise<NodeProcess> {
  const node = new NodeProcess(name, cluster.root, await freePorts(3))
  more.push(node)
  return node
}

const memberAt = async (node: NodeProcess, name: string) =>
  (await node.status()).members.find((member) => member.name === name)

/** One line of a log that a process writes. */
const logged = (node: NodeProcess, words: string) =>
  vi.waitFor(async () => expect(await readFile(node.log, 'utf8')).toContain(words), { timeout: PATIENCE_MS })

const asAdmin = (node: NodeProcess, method: string, path: string, body?: object) =>
  fetch(`${node.url}/api/v2.0${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`admin:${cluster.admin.password}`).toString('base64')}`,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })

test('an edge decides nothing, says which role it has, and leaves nothing behind', {
  timeout: 3 * PATIENCE_MS,
}, async () => {
  const edge = await another('edge')
  const { invite } = await first.json<{ invite: string }>('invite', '--role', 'edge')
  await edge.cli('join', invite)
  await edge.serve()
  const refused = await asAdmin(edge, 'POST', '/users', { username: 'mallory', password: 'Geheim1234' })
  expect(refused.status).toBe(403)
  expect(await refused.json()).toMatchObject({
    errors: [{ code: 'FORBIDDEN', message: expect.stringContaining('an edge takes no decisions') }],
  })
  const row = await memberAt(first, 'edge')
  expect(row).toMatchObject({ role: 'edge', state: 'member', notAfter: expect.any(String) })
  const { stateHash } = await first.status()
  expect((await edge.status()).stateHash).toBe(stateHash)

  // By a new invite it comes in again, with what it holds, and for longer.
  await edge.kill('SIGTERM')
  const again = await first.json<{ invite: string }>('invite', '--role', 'edge', '--days', '60')
  await edge.cli('join', again.invite)
  await edge.serve()
  await vi.waitFor(
    async () => {
      const longer = await memberAt(edge, 'edge')
      expect(longer).toMatchObject({ id: row?.id, state: 'member' })
      expect(Date.parse(longer?.notAfter ?? '')).toBeGreaterThan(Date.parse(row?.notAfter ?? ''))
    },
    { timeout: PATIENCE_MS, interval: 200 },
  )
})

test('with --approval a node belongs once another administrator agrees, and holds nothing before', {
  timeout: 3 * PATIENCE_MS,
}, async () => {
  const careful = await another('careful')
  const answer = await asAdmin(first, 'POST', '/cluster/invites', { ttl_seconds: 600, approval: true })
  const { invite } = (await answer.json()) as { invite: string }
  const joining = careful.cli('join', invite)
  await expect
    .poll(async () => (await memberAt(second, 'careful'))?.state, { timeout: PATIENCE_MS })
    .toBe('pending')
  const same = await asAdmin(second, 'POST', '/cluster/members/careful/approval')
  expect(same.status).toBe(403)
  expect(await same.text()).toContain('another administrator must approve')
  await expect(readFile(join(careful.dataDir, 'network.key'))).rejects.toMatchObject({ code: 'ENOENT' })
  await second.cli('node', 'approve', 'careful')
  await joining
  await careful.serve()
  expect(await memberAt(careful, 'careful')).toMatchObject({ state: 'member', role: 'anchor' })
})

test('a member that was away while the network key was changed comes back, and learns the new one', {
  timeout: 3 * PATIENCE_MS,
}, async () => {
  await second.kill('SIGTERM')
  const { key } = await first.json<{ key: string }>('network', 'rotate-key')
  expect(await readFile(join(second.dataDir, 'network.key'), 'utf8')).not.toContain(key)
  await second.serve()
  await agreed([first, second])
  await expect
    .poll(() => readFile(join(second.dataDir, 'network.key'), 'utf8'), { timeout: PATIENCE_MS })
    .toContain(key)
})

test('who holds the recovery key is an administrator again; a wrong one is refused', {
  timeout: 2 * PATIENCE_MS,
}, async () => {
  const lone = await another('lone')
  const { recoveryKey } = await lone.json<{ recoveryKey: string }>('init')
  const other = await another('other')
  const wrong = await other.json<{ recoveryKey: string }>('init')
  await lone.serve()
  const login = (password: string) =>
    fetch(`${lone.url}/api/v2.0/users`, {
      headers: { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` },
    })
  const recover = async (key: string) => {
    const script = join(cluster.root, 'recover.txt')
    await writeFile(script, `${key}\nWieder1234`)
    return lone.input(script, 'recover', 'admin')
  }
  await expect(recover(wrong.recoveryKey)).rejects.toThrow(/recovery key/)
  expect((await login('Wieder1234')).status).toBe(401)
  await recover(recoveryKey)
  expect((await login('Wieder1234')).status).toBe(200)
  await logged(lone, 'network key has changed')
  expect(await readFile(lone.log, 'utf8')).not.toContain(recoveryKey)
})
