import { join } from 'node:path'
import { fastify } from 'fastify'
import { afterEach, expect, test } from 'vitest'
import { commandLine } from './harness.ts'

const node = fastify()
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
