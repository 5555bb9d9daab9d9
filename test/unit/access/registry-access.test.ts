import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ANONYMOUS, NODE_ITSELF } from '../../../src/access/principal.ts'
import { accessTo } from '../../../src/access/scopes.ts'
import type { Need } from '../../../src/registry/access.ts'
import { assemble, basic, founded, PASSWORD, type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'

const sites = new Sites(new HandClock())
let node: TestNode
let dev: string
let closed: string
beforeAll(async () => {
  node = await founded(sites)
  dev = (await user(node, 'dev')).id
  await user(node, 'stranger')
  const admin = node.accounts.byName('admin') as { id: string }
  closed = (await node.projects.create({ name: 'closed' }, admin.id, NODE_ITSELF)).id
  await node.members.add(closed, dev, 2, NODE_ITSELF)
})
afterAll(() => sites.close())

const pull = (repository: string): Need => ({ repository, action: 'pull' })
const push = (repository: string): Need => ({ repository, action: 'push' })
const remove = (repository: string): Need => ({ repository, action: 'delete' })

function come(authorization: string | undefined, ...needs: Need[]) {
  return node.door.authorize({ authorization, scheme: 'https', host: 'reg.example:8443' }, needs)
}

async function bearer(id: string | undefined, ...repositories: string[]): Promise<string> {
  const principal = id === undefined ? ANONYMOUS : ({ kind: 'user', id } as const)
  const scopes = repositories.map((name) => ({ type: 'repository', name }))
  const access = accessTo(scopes, principal, node.site.tables)
  return `Bearer ${(await node.issuer.issue(principal, access)).token}`
}

const challenge = (text: string) => ({ code: 'UNAUTHORIZED', facts: { challenge: text } })
const BEARER = 'Bearer realm="https://reg.example:8443/service/token",service="harbor-registry"'
const BASIC = 'Basic realm="harbor"'

describe('whoever sends nothing is told where to get a token', () => {
  test.each<[string, Need[], string]>([
    ['the ping', [{ ping: true }], BEARER],
    [
      'a pull, of a public project too',
      [pull('library/app')],
      `${BEARER},scope="repository:library/app:pull"`,
    ],
    ['a push', [push('closed/a/b')], `${BEARER},scope="repository:closed/a/b:pull,push"`],
    ['a deletion', [remove('closed/a')], `${BEARER},scope="repository:closed/a:delete"`],
    [
      'a mount',
      [push('closed/a'), pull('library/b')],
      `${BEARER},scope="repository:closed/a:pull,push repository:library/b:pull"`,
    ],
    ['the catalog', [{ catalog: true }], BASIC],
  ])('%s', async (_what, needs, expected) => {
    await expect(come(undefined, ...needs)).rejects.toMatchObject(challenge(expected))
  })

  test('nothing a client sends as its Host gets out of the quotes', async () => {
    const request = { authorization: undefined, scheme: 'http', host: 'x",evil="y' } as const
    await expect(node.door.authorize(request, [{ ping: true }])).rejects.toMatchObject(challenge(BASIC))
  })
})

describe('with a password', () => {
  test('a member may what their role may', async () => {
    const admitted = await come(basic('dev', PASSWORD), push('closed/app'))
    expect(admitted.principal).toBe(dev)
    expect(admitted.mayPull('closed/other')).toBe(true)
    expect(admitted.mayPull('library/app')).toBe(true)
    expect(admitted.mayPull('nowhere/app')).toBe(false)
    await expect(come(basic('dev', PASSWORD), remove('closed/app'))).rejects.toMatchObject({ code: 'DENIED' })
  })

  test('a wrong one, and anything that is none, is challenged for Basic', async () => {
    const wrong = [
      basic('dev', 'Wrong-1-wrong'),
      basic('nobody', PASSWORD),
      'Basic',
      'Basic !!',
      'Digest x',
      'Bearer x',
    ]
    for (const authorization of wrong) {
      await expect(come(authorization, pull('library/app'))).rejects.toMatchObject(challenge(BASIC))
    }
  })

  test('a project there is not is denied in the same words as one they may not see', async () => {
    const refusals = await Promise.all(
      ['closed/app', 'nowhere/app'].map((repository) =>
        come(basic('stranger', PASSWORD), pull(repository)).catch((error: Error) => error),
      ),
    )
    const [hidden, none] = refusals as Error[]
    expect(hidden).toMatchObject({ code: 'DENIED' })
    expect(none?.message).toBe(hidden?.message)
  })

  test('the catalog is for administrators', async () => {
    await expect(come(basic('dev', PASSWORD), { catalog: true })).rejects.toMatchObject({ code: 'DENIED' })
  })
})

describe('with a token', () => {
  test('anonymous pulls from a public project and nothing else', async () => {
    const token = await bearer(undefined, 'library/app', 'closed/app')
    expect((await come(token, pull('library/app'))).principal).toBe('anonymous')
    for (const need of [push('library/app'), pull('closed/app'), { ping: true } as const]) {
      await expect(come(token, need)).rejects.toMatchObject(challenge(BASIC))
    }
  })

  test('it opens what it was made for, though its bearer may more', async () => {
    const token = await bearer(dev, 'closed/app')
    const admitted = await come(token, push('closed/app'))
    expect(admitted.mayPull('closed/app')).toBe(true)
    expect(admitted.mayPull('closed/other')).toBe(false)
    await expect(come(token, pull('closed/other'))).rejects.toMatchObject(challenge(BASIC))
    await expect(come(token, { ping: true })).resolves.toBeDefined()
  })

  test('made for another repository, it still pulls and mounts what is open to everybody, and no more', async () => {
    for (const token of [await bearer(dev, 'closed/app'), await bearer(undefined, 'library/other')]) {
      const admitted = await come(token, pull('library/app'))
      expect(admitted.mayPull('library/app')).toBe(true)
      expect(admitted.mayPull('closed/other')).toBe(false)
    }
    const admin = node.accounts.byName('admin') as { id: string }
    const token = await bearer(admin.id, 'closed/app')
    for (const need of [push('library/app'), remove('library/app'), pull('closed/other')]) {
      await expect(come(token, need)).rejects.toMatchObject(challenge(BASIC))
    }
  })

  test('it opens no more than its bearer may now: a role that went takes the token’s power with it', async () => {
    const passing = await user(node, 'passing')
    const member = await node.members.add(closed, passing.id, 2, NODE_ITSELF)
    const token = await bearer(passing.id, 'closed/app')
    await come(token, push('closed/app'))
    await node.members.setRole(closed, member, 3, NODE_ITSELF)
    await expect(come(token, push('closed/app'))).rejects.toMatchObject({ code: 'DENIED' })
    await come(token, pull('closed/app'))
    await node.members.remove(closed, member, NODE_ITSELF)
    await expect(come(token, pull('closed/app'))).rejects.toMatchObject({ code: 'DENIED' })
  })

  test('it gives nothing of a project that closed', async () => {
    const admin = node.accounts.byName('admin') as { id: string }
    const metadata = [['public', 'true'] as const]
    const { id } = await node.projects.create({ name: 'closing', metadata }, admin.id, NODE_ITSELF)
    const token = await bearer(undefined, 'closing/app')
    await come(token, pull('closing/app'))
    await node.projects.update(id, [['public', 'false']], NODE_ITSELF)
    await expect(come(token, pull('closing/app'))).rejects.toMatchObject({ code: 'UNAUTHORIZED' })
  })
})

test('a right given at one site counts at the next as soon as it arrives: the request waits for it', async () => {
  const far = assemble(await sites.admit(node.site), sites)
  const newcomer = await user(node, 'newcomer')
  await node.members.add(closed, newcomer.id, 2, NODE_ITSELF)
  const token = await bearer(newcomer.id, 'closed/app')
  const asked = far.door.authorize({ authorization: token, scheme: 'http', host: 'far' }, [
    push('closed/app'),
  ])
  await far.site.learn(node.site)
  await expect(asked).resolves.toMatchObject({ principal: newcomer.id })
})

test('so does a right of somebody the next site knows already', async () => {
  const known = await user(node, 'known')
  const far = assemble(await sites.admit(node.site), sites)
  await node.members.add(closed, known.id, 2, NODE_ITSELF)
  const token = await bearer(known.id, 'closed/app')
  const at = (site: TestNode) =>
    site.door.authorize({ authorization: token, scheme: 'http', host: 'far' }, [push('closed/app')])
  expect(far.site.tables.get('users', known.id)).toBeDefined()
  const asked = at(far)
  await far.site.learn(node.site)
  await expect(asked).resolves.toMatchObject({ principal: known.id })
})
