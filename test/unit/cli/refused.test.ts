import { join } from 'node:path'
import { type FastifyInstance, fastify } from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { commandLine } from './harness.ts'

let node: FastifyInstance
beforeEach(() => {
  node = fastify()
})
afterEach(() => node.close())

test('what the role of a node forbids is not laid at the account’s door', async () => {
  const cli = commandLine()
  const message =
    'an edge takes no decisions, only pushes and pulls: ask at hq (anchor, https://hq.example.org)'
  node.post('/api/v2.0/projects', (_, reply) =>
    reply
      .code(403)
      .header('x-flotilla-code', 'NODE_ROLE_FORBIDS')
      .send({ errors: [{ code: 'FORBIDDEN', message }] }),
  )
  await node.listen({ path: join(cli.dataDir, 'control.sock') })
  const { code, err } = await cli.type('project create shop')
  expect(code).toBe(1)
  expect(err).toContain(message)
  expect(err).toContain('the account may, this node does not')
  expect(err).not.toContain('this account may not')
})

test.each(['invite', 'evict dock --yes', 'network rotate-key'])(
  '%s at a node whose role has no say in it names nodes that take it on',
  async (words) => {
    const cli = commandLine()
    const message = 'invite.created: whoever did this had not the right to'
    const refuse = { errors: [{ code: 'CONFLICT', message }] }
    for (const path of ['invites', 'members/:node/eviction', 'network-key']) {
      node.post(`/api/v2.0/cluster/${path}`, (_, reply) =>
        reply.code(409).header('x-flotilla-code', 'OP_REFUSED').send(refuse),
      )
    }
    const members = [
      { id: 'a', name: 'quay', state: 'member', role: 'edge', self: true, url: null },
      { id: 'b', name: 'hq', state: 'member', role: 'anchor', self: false, url: 'https://hq.example.org' },
      { id: 'c', name: 'dock', state: 'member', role: 'replica', self: false, url: null },
      { id: 'd', name: 'old', state: 'evicted', role: 'anchor', self: false, url: null },
    ]
    node.get('/api/v2.0/cluster', () => ({ members }))
    await node.listen({ path: join(cli.dataDir, 'control.sock') })
    const { code, err } = await cli.type(words)
    expect(code).toBe(1)
    expect(err).toContain('quay has the role edge')
    expect(err).toMatch(/: ask at hq \(https:\/\/hq\.example\.org\)\n/)
    expect(err).toContain('the account may, this node does not')
  },
)
