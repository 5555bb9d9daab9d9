import { cp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
let third: NodeProcess
let twin: NodeProcess | undefined

beforeAll(async () => {
  cluster = await startCluster(3)
  ;[first, second, third] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess]
}, 4 * PATIENCE_MS)
afterAll(async () => {
  await twin?.kill('SIGKILL')
  await cluster?.stop()
})

const people = async (node: NodeProcess) =>
  (await node.json<{ username: string }[]>('user', 'list')).map(({ username }) => username).sort()

/** Puts a copy of the node's directory in its place; the node does not run. */
async function restore(node: NodeProcess, copy: string): Promise<void> {
  await rm(node.dataDir, { recursive: true })
  await cp(copy, node.dataDir, { recursive: true })
}

test('a node restored from a backup goes on without a fork, and nothing it had written is lost', {
  timeout: 5 * PATIENCE_MS,
}, async () => {
  await second.kill('SIGTERM')
  const backup = join(cluster.root, 'backup')
  await cp(second.dataDir, backup, { recursive: true })
  await second.serve()
  await second.cli('user', 'create', 'since-backup')
  await agreed([first, second, third])
  await second.kill('SIGTERM')

  await restore(second, backup)
  await second.serve()
  await second.cli('user', 'create', 'restored')
  await agreed([first, second, third])
  expect(await people(first)).toEqual(['admin', 'restored', 'since-backup'])

  // Once more, and nobody can be asked.
  await Promise.all(cluster.nodes.map((node) => node.kill('SIGTERM')))
  await restore(second, backup)
  await second.serve()
  await second.cli('user', 'create', 'cut-off')
  await Promise.all([first.serve(), third.serve()])
  await agreed([first, second, third])
  expect(await people(third)).toEqual(['admin', 'cut-off', 'restored', 'since-backup'])
  expect((await first.status()).notices).toEqual([])
})

test('a node with two histories is found out and put out, and the others hold the same', {
  timeout: 6 * PATIENCE_MS,
}, async () => {
  await third.kill('SIGTERM')
  twin = new NodeProcess('twin', cluster.root, await freePorts(3))
  await cp(third.dataDir, twin.dataDir, { recursive: true })
  // As where the disk beneath it was set back: a copied file would be told by its inode.
  const { ino } = await stat(join(twin.dataDir, 'identity.pem'), { bigint: true })
  await writeFile(join(twin.dataDir, 'place'), `${ino}\n`)
  await third.serve()
  await agreed([first, second, third])
  const { self } = await third.status()
  // One face is seen by nobody, the other by all: under numbers that both have given away.
  await Promise.all([first.kill('SIGTERM'), second.kill('SIGTERM')])
  await third.cli('user', 'create', 'one-face')
  await third.kill('SIGTERM')
  await Promise.all([first.serve(), second.serve()])
  await twin.serve()
  const nameAt = async (node: NodeProcess) =>
    (await node.status()).members.find(({ id }) => id === self)?.name
  await expect.poll(() => nameAt(first), { timeout: PATIENCE_MS }).toBe('twin')
  await twin.kill('SIGTERM')
  await third.serve().catch(() => {})

  const stateAt = async (node: NodeProcess) =>
    (await node.status()).members.find(({ id }) => id === self)?.state
  await expect
    .poll(async () => [await stateAt(first), await stateAt(second)], { timeout: PATIENCE_MS })
    .toEqual(['evicted', 'evicted'])
  await agreed([first, second])
  const sync = async () => (await first.status()).members.find(({ name }) => name === 'node2')?.sync
  await expect.poll(sync, { timeout: PATIENCE_MS }).toBe('in-sync')
  expect(await people(first)).not.toContain('one-face')
  expect(await nameAt(second)).toBe('node3')
  await expect.poll(() => third.runs, { timeout: PATIENCE_MS }).toBe(false)
  // Whoever met the other face first says so; the other is handed the proof.
  const logs = await Promise.all([first, second].map(({ log }) => readFile(log, 'utf8')))
  expect(logs.join('')).toContain('signed two entries of one number')
})
