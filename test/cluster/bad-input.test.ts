import { once } from 'node:events'
import { copyFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  agreed,
  type Cluster,
  freePorts,
  NodeProcess,
  PATIENCE_MS,
  startCluster,
} from '../support/cluster.ts'

let cluster: Cluster
let inviter: NodeProcess
beforeAll(async () => {
  cluster = await startCluster(1)
  inviter = cluster.nodes[0] as NodeProcess
}, PATIENCE_MS)
afterAll(() => cluster?.stop())

async function newcomer(name: string): Promise<NodeProcess> {
  return new NodeProcess(name, cluster.root, await freePorts(3))
}

async function invite(...options: string[]): Promise<string> {
  return (await inviter.json<{ invite: string }>('invite', ...options)).invite
}

/** What a command that must fail says; never a stack. */
async function complaint(node: NodeProcess, ...args: string[]): Promise<string> {
  const error: unknown = await node.cli(...args).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(Error)
  const { message } = error as Error
  expect(message).not.toMatch(/\n\s+at |node_modules/)
  return message
}

describe('an invite', () => {
  test('lets one node in, and says so to the second that brings it', async () => {
    const text = await invite()
    const [first, second] = [await newcomer('first'), await newcomer('second')]
    await first.cli('join', text)
    expect(await complaint(second, 'join', text)).toMatch(/used/)
    const { members } = await inviter.status()
    expect(members.map(({ name }) => name)).toEqual(['first', 'node1'])
    // Nothing half-done: the refused node joins with an invite of its own, in the same directory.
    await second.cli('join', await invite())
    await second.serve()
    await agreed([inviter, second])
    await second.cli('leave', '--yes')
    await expect
      .poll(async () => (await inviter.status()).members.find(({ name }) => name === 'second'), {
        timeout: PATIENCE_MS,
      })
      .toMatchObject({ state: 'left', connected: false })
  }, 120_000)

  test('that has expired, was altered or is no invite is refused in words', async () => {
    const node = await newcomer('late')
    const short = await invite('--ttl', '1s')
    const fresh = await invite()
    const altered = fresh.slice(0, -6) + (fresh.at(-6) === 'a' ? 'b' : 'a') + fresh.slice(-5)
    expect(await complaint(node, 'join', altered)).toMatch(/invite/i)
    expect(await complaint(node, 'join', 'hello')).toMatch(/invite/i)
    await expect.poll(() => complaint(node, 'join', short), { timeout: PATIENCE_MS }).toMatch(/expired/)
  }, 60_000)

  test('of a node that is gone names the addresses that were tried', async () => {
    const other = await newcomer('gone')
    await other.cli('init')
    await other.serve()
    const { invite: text } = await other.json<{ invite: string }>('invite')
    await other.kill('SIGKILL')
    expect(await complaint(await newcomer('lonely'), 'join', text)).toContain(String(other.ports.cluster))
  }, 120_000)

  test('is of no use to a node that belongs to a cluster already', async () => {
    const other = await newcomer('taken')
    await other.cli('init')
    expect(await complaint(other, 'join', await invite())).toMatch(/for another cluster.*--data-dir/)
    expect(await complaint(other, 'init')).toMatch(/belongs to cluster/)
  }, 60_000)
})

describe('a node', () => {
  test('that has not been made yet is no stack trace but advice', async () => {
    expect(await complaint(await newcomer('nobody'), 'serve')).toMatch(/flotilla init/)
    expect(await complaint(await newcomer('nobody'), 'status')).toMatch(/not run|no node|serve/)
  }, 60_000)

  test('does not start twice on one directory, and names a port that is taken', async () => {
    expect(await complaint(inviter, 'serve')).toMatch(/running node has .* open/)
    const node = await newcomer('crowded')
    await node.cli('init')
    for (const port of [node.ports.http, node.ports.cluster, node.ports.swarm]) {
      const squatter = createServer().listen(port, '127.0.0.1')
      await once(squatter, 'listening')
      expect(await complaint(node, 'serve')).toMatch(new RegExp(`port ${port} .*in use`))
      await new Promise((closed) => squatter.close(closed))
    }
    await node.serve()
    await node.kill('SIGTERM')
  }, 120_000)

  test('whose identity is not the one its directory was made with refuses to start', async () => {
    const [one, two] = [await newcomer('one'), await newcomer('two')]
    await one.cli('init')
    await two.cli('init')
    await copyFile(join(two.dataDir, 'cluster.json'), join(one.dataDir, 'cluster.json'))
    expect(await complaint(one, 'serve')).toMatch(/not the key/)
  }, 60_000)
})
