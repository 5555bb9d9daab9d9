import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Decision, type Demand, decide } from '../../../src/access/decide.ts'
import { ANONYMOUS, NODE_ITSELF, OPERATOR, type Principal } from '../../../src/access/principal.ts'
import { PROJECT_ACTIONS, type ProjectAction, ROLES, type RoleName } from '../../../src/access/roles.ts'
import { founded, type TestNode, user } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'

const sites = new Sites(new HandClock())
let node: TestNode
let closed: string
let open: string
const people = new Map<RoleName | 'stranger' | 'admin' | 'gone', Principal>()

beforeAll(async () => {
  node = await founded(sites)
  const admin = node.accounts.byName('admin') as { id: string }
  people.set('admin', { kind: 'user', id: admin.id })
  closed = (await node.projects.create({ name: 'closed' }, admin.id, NODE_ITSELF)).id
  open = node.projects.find('library')?.id as string
  for (const { id, name } of ROLES) {
    const member = await user(node, name)
    people.set(name, { kind: 'user', id: member.id })
    await node.members.add(closed, member.id, id, NODE_ITSELF)
  }
  people.set('stranger', { kind: 'user', id: (await user(node, 'stranger')).id })
  const gone = await user(node, 'gone')
  people.set('gone', { kind: 'user', id: gone.id })
  await node.members.add(closed, gone.id, 1, NODE_ITSELF)
  await node.accounts.delete(gone.id, NODE_ITSELF)
})
afterAll(() => sites.close())

function ask(who: Principal, action: ProjectAction, project: string | undefined): Decision {
  return decide(who, { action, on: 'project', project }, node.site.tables)
}
const as = (who: Parameters<(typeof people)['get']>[0]) => people.get(who) as Principal

/** Section 3 of the contract, written down once more by hand: action -> who may, Harbor's columns. */
const CONTRACT: Record<string, string> = {
  'repository:pull repository:read repository:list artifact:read artifact:list tag:list': 'YYYYY',
  'scan:read sbom:read quota:read': 'YYYYY',
  'member:list member:read label:list label:read robot:list robot:read': '-YYYY',
  'repository:push repository:create repository:update tag:create artifact:create': '--YYY',
  'artifact-label:create artifact-label:delete export-cve:create': '--YYY',
  'tag-retention:create tag-retention:update tag-retention:delete tag-retention:operate': '--YYY',
  'repository:delete artifact:delete tag:delete label:create label:update label:delete': '---YY',
  'immutable-tag:create immutable-tag:update immutable-tag:delete scan:create scan:stop': '---YY',
  'sbom:create sbom:stop webhook:read webhook:list': '---YY',
  'member:create member:update member:delete metadata:create metadata:update metadata:delete': '----Y',
  'robot:create robot:update robot:delete webhook:create webhook:update webhook:delete': '----Y',
  'preheat-policy:create preheat-policy:update preheat-policy:delete scanner:choose': '----Y',
  'log:list project:update project:delete': '----Y',
}
const COLUMNS: readonly RoleName[] = ['limitedGuest', 'guest', 'developer', 'maintainer', 'projectAdmin']

describe('in a private project', () => {
  const rows = Object.entries(CONTRACT).flatMap(([actions, may]) =>
    actions.split(' ').map((action) => [action as ProjectAction, may] as const),
  )
  test.each(rows)('%s is for the roles %s', (action, may) => {
    const allowed = COLUMNS.map((role) => (ask(as(role), action, closed).allow ? 'Y' : '-')).join('')
    expect(allowed).toBe(may)
  })

  test('whoever is no member learns nothing: it looks as if it were not there', () => {
    for (const action of Object.keys(PROJECT_ACTIONS) as ProjectAction[]) {
      const toStranger = { allow: false, reason: 'invisible' }
      expect(ask(as('stranger'), action, closed)).toEqual(toStranger)
      expect(ask(as('stranger'), action, undefined)).toEqual(toStranger)
      expect(ask(as('stranger'), action, 'A'.repeat(22))).toEqual(toStranger)
      const toNobody = { allow: false, reason: 'unauthenticated' }
      expect(ask(ANONYMOUS, action, closed)).toEqual(toNobody)
      expect(ask(ANONYMOUS, action, undefined)).toEqual(toNobody)
    }
  })

  test('a member who may not is told so', () => {
    expect(ask(as('guest'), 'repository:push', closed)).toEqual({ allow: false, reason: 'forbidden' })
  })

  test('administrators and the operator may everything, in what there is', () => {
    for (const who of [as('admin'), OPERATOR]) {
      for (const action of Object.keys(PROJECT_ACTIONS) as ProjectAction[]) {
        expect(ask(who, action, closed).allow).toBe(true)
        expect(ask(who, action, undefined)).toEqual({ allow: false, reason: 'invisible' })
      }
    }
  })

  test('a deleted user is nobody, whatever role they had', () => {
    expect(ask(as('gone'), 'repository:pull', closed)).toEqual({ allow: false, reason: 'unauthenticated' })
  })
})

describe('in a public project', () => {
  const everybody = [
    'project:read repository:pull repository:read repository:list artifact:read artifact:list tag:list',
    'scan:read sbom:read label:list label:read',
  ]
    .join(' ')
    .split(' ')
  test('everybody may look and pull, and nothing else', () => {
    for (const action of Object.keys(PROJECT_ACTIONS) as ProjectAction[]) {
      const may = everybody.includes(action)
      expect([action, ask(ANONYMOUS, action, open).allow]).toEqual([action, may])
      expect([action, ask(as('stranger'), action, open).allow]).toEqual([action, may])
    }
    expect(ask(ANONYMOUS, 'repository:push', open)).toEqual({ allow: false, reason: 'unauthenticated' })
    expect(ask(as('stranger'), 'repository:push', open)).toEqual({ allow: false, reason: 'forbidden' })
  })
})

describe('outside of projects', () => {
  test.each<[Demand['action'], string]>([
    ['system-info:read', 'AUS'],
    ['project:list', 'AUS'],
    ['project:create', '-US'],
    ['user:search', '-US'],
    ['user:list', '--S'],
    ['user:create', '--S'],
    ['catalog:list', '--S'],
    ['conflict:list', '--S'],
    ['conflict:repair', '--S'],
    ['cluster:read', '--S'],
    ['cluster:invite', '--S'],
    ['cluster:evict', '--S'],
    ['cluster:leave', '--S'],
  ])('%s is for %s (anonymous, user, system administrator)', (action, may) => {
    const demand = { action, on: 'system' } as Demand
    const who: [string, Principal][] = [
      ['A', ANONYMOUS],
      ['U', as('stranger')],
      ['S', as('admin')],
    ]
    const allowed = who.map(([letter, one]) => (decide(one, demand, node.site.tables).allow ? letter : '-'))
    expect(allowed.join('')).toBe(may)
    expect(decide(OPERATOR, demand, node.site.tables).allow).toBe(true)
  })

  test('an account is its owner’s to read and change, its rights and its end an administrator’s', () => {
    const owner = as('stranger') as { id: string } & Principal
    const may = (who: Principal, action: string, user: string | null = owner.id) =>
      decide(who, { action, on: 'user', user: user ?? undefined } as Demand, node.site.tables)
    for (const action of ['user:read', 'user:update', 'user:set-password']) {
      expect(may(owner, action).allow).toBe(true)
      expect(may(as('guest'), action)).toEqual({ allow: false, reason: 'forbidden' })
      // As for an account there is not.
      expect(may(as('guest'), action, null)).toEqual({ allow: false, reason: 'forbidden' })
      expect(may(ANONYMOUS, action)).toEqual({ allow: false, reason: 'unauthenticated' })
      expect(may(as('admin'), action).allow).toBe(true)
      expect(may(as('admin'), action, null)).toEqual({ allow: false, reason: 'invisible' })
    }
    for (const action of ['user:set-admin', 'user:delete']) {
      expect(may(owner, action)).toEqual({ allow: false, reason: 'forbidden' })
      expect(may(as('admin'), action).allow).toBe(true)
    }
  })
})
