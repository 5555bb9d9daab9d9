import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { freePorts, NodeProcess } from '../support/cluster.ts'
import { NodeClient } from '../support/node-client.ts'

const ROOT = join(import.meta.dirname, '../..')
const roots: string[] = []
afterAll(async () => {
  for (const root of roots) await rm(root, { recursive: true, force: true })
})

test('with cluster/ and its one line gone, what is left is a correct registry of one node', async () => {
  const tree = await mkdtemp(join(tmpdir(), 'flotilla-alone-'))
  roots.push(tree)
  for (const part of ['src', 'bin', 'package.json'])
    await cp(join(ROOT, part), join(tree, part), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(tree, 'node_modules'))
  const main = await readFile(join(tree, 'src/main.ts'), 'utf8')
  const lines = main.split('\n')
  const without = lines.filter((line) => !line.includes('/cluster/cluster.ts'))
  expect(lines.length - without.length).toBe(1)
  await writeFile(join(tree, 'src/main.ts'), without.join('\n'))

  const node = new NodeProcess('alone', tree, await freePorts(3), {}, join(tree, 'bin/flotilla.js'))
  const { admin } = await node.json<{ admin: { username: string; password: string } }>('init')
  await node.serve()
  try {
    const client = new NodeClient(node, admin)
    const layer = Buffer.alloc(2 * 1024 * 1024, 'alone')
    const { status, digest } = await client.pushImage('library/app', 'v1', layer)
    expect(status).toBe(201)
    expect((await client.pull('library/app', 'manifests/v1')).status).toBe(200)
    expect((await client.registry('DELETE', 'library/app', `manifests/${digest}`)).status).toBe(202)
    expect((await client.pull('library/app', 'manifests/v1')).status).toBe(404)
    expect((await node.status()).members).toHaveLength(1)
    await expect(node.cli('invite')).rejects.toThrow(/runs alone/)
  } finally {
    await node.kill('SIGTERM')
  }
}, 60_000)
