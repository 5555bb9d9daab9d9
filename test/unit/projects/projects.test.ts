import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import { op } from '../../../src/journal/kinds.ts'
import { CATALOG } from '../../../src/journal/op.ts'
import { repositoriesOf } from '../../../src/projects/repositories.ts'
import { assemble, founded, type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'

const sites = new Sites(new HandClock())
let node: TestNode
let admin: string
beforeAll(async () => {
  node = await founded(sites)
  admin = node.accounts.byName('admin')?.id as string
})
afterAll(() => sites.close())

const create = (name: string, metadata: [string, string][] = []) =>
  node.projects.create({ name, metadata }, admin, NODE_ITSELF)

const DIGEST = `sha256:${'a'.repeat(64)}` as const

async function pushTo(projectId: string, path: string): Promise<void> {
  const facts = {
    mediaType: 'm',
    size: 1,
    artifactType: null,
    subject: null,
    annotations: {},
    references: [],
  }
  await node.site.commit(CATALOG, () => [
    op('manifest.put', { projectId, path, digest: DIGEST as never, ...facts }, 'x'),
  ])
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

describe('a project', () => {
  test('is found by name and number, and by a name of digits where that is meant', async () => {
    const made = await create('shop')
    expect(made).toMatchObject({ name: 'shop', public: false, ownerId: admin })
    expect(node.projects.find('shop')).toEqual(made)
    expect(node.projects.find(String(made.number))).toEqual(made)
    expect(node.projects.find(String(made.number), true)).toBeUndefined()
    const digits = await create('1234567')
    expect(node.projects.find('1234567', true)).toEqual(digits)
    expect(node.projects.find('1234567')).toBeUndefined()
  })

  test.each(['', 'Shop', 'a/b', '-a', 'a..b', '__proto__', 'a b', 'a~b', 'x'.repeat(256)])(
    'is not called %j',
    async (name) => {
      await expect(create(name)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    },
  )

  test('may be called constructor, and is nothing but a project', async () => {
    expect(node.projects.find('constructor')).toBeUndefined()
    const made = await create('constructor')
    expect(node.projects.find('constructor')).toEqual(made)
    expect(made.public).toBe(false)
  })

  test('has a name of its own, also when two ask at once', async () => {
    const both = await Promise.allSettled([create('once'), create('once')])
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  test('opens and closes', async () => {
    const { id } = await create('door', [['public', 'true']])
    expect(node.projects.find('door')?.public).toBe(true)
    await node.projects.update(id, [['public', 'false']], NODE_ITSELF)
    expect(node.projects.find('door')).toMatchObject({ public: false })
    expect(node.projects.find('door')?.metadata.get('public')).toBe('false')
  })

  test.each([
    ['public', 'yes'],
    ['prevent_vul', 'true'],
    ['enable_content_trust_cosign', 'true'],
    ['retention_id', '1'],
    ['__proto__', 'x'],
    ['constructor', 'x'],
  ])('takes no setting that means nothing: %s=%s', async (key, value) => {
    await expect(create('strict', [[key, value]])).rejects.toMatchObject({ code: 'BAD_REQUEST' })
    expect(node.projects.find('strict')).toBeUndefined()
  })

  test('takes the settings Harbor’s clients send along, off', async () => {
    const { metadata } = await create('polite', [
      ['prevent_vul', 'false'],
      ['severity', 'low'],
      ['proxy_speed_kb', '-1'],
    ])
    expect([...metadata.keys()].toSorted()).toEqual(['prevent_vul', 'public', 'severity'])
  })

  test('stays while something is in it, and its name is free once it has gone', async () => {
    const { id } = await create('full')
    await pushTo(id, 'app/web')
    expect(await all(repositoriesOf(node.site.tables, id))).toMatchObject([{ path: 'app/web', artifacts: 1 }])
    await expect(node.projects.delete(id, NODE_ITSELF)).rejects.toMatchObject({ code: 'PRECONDITION' })
    await node.site.commit(CATALOG, () => [
      op('manifest.deleted', { projectId: id, path: 'app/web', digest: DIGEST as never }, 'x'),
    ])
    expect(await all(repositoriesOf(node.site.tables, id))).toEqual([])
    await node.projects.delete(id, NODE_ITSELF)
    expect(node.projects.find('full')).toBeUndefined()
    const again = await create('full')
    expect(again.id).not.toBe(id)
  })
})

describe('members', () => {
  test('come with a role, change it, and go', async () => {
    const { id } = await create('crew')
    const ann = await user(node, 'ann')
    const member = await node.members.add(id, ann.id, 3, NODE_ITSELF)
    expect(member).toMatchObject({ role: 3, userName: 'ann', userNumber: ann.number })
    expect((await all(node.members.of(id))).map(({ userName }) => userName).toSorted()).toEqual([
      'admin',
      'ann',
    ])
    await expect(node.members.add(id, ann.id, 2, NODE_ITSELF)).rejects.toMatchObject({ code: 'CONFLICT' })
    await node.members.setRole(id, member, 4, NODE_ITSELF)
    expect(await node.members.find(id, member.number)).toMatchObject({ role: 4, number: member.number })
    await node.members.remove(id, member, NODE_ITSELF)
    expect(await node.members.find(id, member.number)).toBeUndefined()
    await expect(node.members.setRole(id, member, 1, NODE_ITSELF)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    // Somebody who was sent away may come back.
    await node.members.add(id, ann.id, 2, NODE_ITSELF)
  })

  test('are no more once their account has gone', async () => {
    const { id } = await create('leavers')
    const ben = await user(node, 'ben')
    await node.members.add(id, ben.id, 3, NODE_ITSELF)
    await node.accounts.delete(ben.id, NODE_ITSELF)
    expect((await all(node.members.of(id))).map(({ userName }) => userName)).toEqual(['admin'])
    await expect(node.members.add(id, ben.id, 3, NODE_ITSELF)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('two sites that did not hear of each other', () => {
  test('give one name twice: the second is kept apart, private, whatever it was meant to be', async () => {
    const far = assemble(await sites.admit(node.site), sites)
    const open: [string, string][] = [['public', 'true']]
    const both = [
      await create('twice', open),
      await far.projects.create({ name: 'twice', metadata: open }, admin, NODE_ITSELF),
    ]
    await far.site.learn(node.site)
    await node.site.learn(far.site)
    expect(far.site.stateHash()).toBe(node.site.stateHash())
    const holder = node.projects.find('twice')
    expect(holder).toMatchObject({ public: true })
    const lost = both.find(({ id }) => id !== holder?.id)
    const loser = node.projects.find(String(lost?.number))
    expect(loser?.name).toMatch(/^twice~[0-9a-f]{4}$/)
    expect(loser).toMatchObject({ public: false, id: lost?.id })
    expect(far.projects.find(loser?.name as string)).toEqual(loser)
  })

  test('grant one person two roles: the weaker holds, until somebody who knows both decides', async () => {
    const far = assemble(await sites.admit(node.site), sites)
    const { id } = await create('conflict')
    const cleo = await user(node, 'cleo')
    await far.site.learn(node.site)
    await node.members.add(id, cleo.id, 4, NODE_ITSELF)
    await far.members.add(id, cleo.id, 2, NODE_ITSELF)
    await far.site.learn(node.site)
    await node.site.learn(far.site)
    for (const site of [node, far]) {
      const member = (await all(site.members.of(id))).find(({ userId }) => userId === cleo.id)
      expect(member?.role).toBe(2)
    }
    const [member] = (await all(node.members.of(id))).filter(({ userId }) => userId === cleo.id)
    await node.members.setRole(id, member as never, 4, NODE_ITSELF)
    await far.site.learn(node.site)
    expect(await far.members.find(id, member?.number as number)).toMatchObject({ role: 4 })
  })

  test('open and close a project: it is closed, whichever of the two an order would prefer', async () => {
    const far = assemble(await sites.admit(node.site), sites)
    const opened = []
    for (let n = 0; n < 12; n++) opened.push(await create(`opening${n}`, [['public', 'true']]))
    await far.site.learn(node.site)
    for (const { id } of opened) {
      await node.projects.update(id, [['public', 'true']], NODE_ITSELF)
      await far.projects.update(id, [['public', 'false']], NODE_ITSELF)
    }
    await far.site.learn(node.site)
    await node.site.learn(far.site)
    const winners = opened.map(
      ({ id }) => node.site.tables.get('projects', id)?.metadata['public']?.[0]?.value,
    )
    expect(new Set(winners)).toEqual(new Set(['true', 'false']))
    for (const { name } of opened) {
      expect([node.projects.find(name)?.public, far.projects.find(name)?.public]).toEqual([false, false])
    }
  })
})
