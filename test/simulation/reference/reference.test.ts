import { expect, test } from 'vitest'
import { clusterIdOf, foundingOps, writeGenesis } from '../../../src/journal/genesis.ts'
import { op } from '../../../src/journal/kinds.ts'
import {
  AUTHORITY,
  CATALOG,
  type Entry,
  type FeedId,
  feedId,
  type Lane,
  type NewOp,
  opId,
} from '../../../src/journal/op.ts'
import type { IneffectiveRow } from '../../../src/journal/rows.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { factsOf } from '../anomalies/founding.ts'
import { referenceState } from './reference.ts'

const [A, B] = ['a', 'b'].map((name) => name.repeat(24)) as [string, string]
const genesis = writeGenesis({
  name: 'test',
  founder: A,
  nonce: new Uint8Array(32),
  time: 1,
  recovery: new Uint8Array(32),
})
const cluster = clusterIdOf(genesis)
const HASH = '$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA'
const DIGEST = `sha256:${'a'.repeat(64)}` as Digest

/** Entries written down by hand: each says what its author had seen. */
class Book {
  readonly entries: Entry[] = []

  /** @returns ids of the ops */
  write(
    author: string,
    seen: Readonly<Record<FeedId, number>>,
    ops: readonly NewOp[],
    lane: Lane = AUTHORITY,
  ): string[] {
    const feed = feedId(lane, author)
    const depths = Object.entries({ ...seen, [feed]: Infinity }).map(([other, seq]) =>
      Math.max(
        0,
        ...this.entries
          .filter((one) => feedId(one.lane, one.author) === other && one.seq <= seq)
          .map(({ depth }) => depth),
      ),
    )
    const seq = 1 + this.entries.filter((one) => feedId(one.lane, one.author) === feed).length
    const written = ops.map((one) => ({ ...one, version: 1 }))
    this.entries.push({
      format: 1,
      cluster,
      lane,
      author,
      seq,
      depth: 1 + Math.max(0, ...depths),
      time: seq,
      seen,
      ops: written,
    })
    return ops.map((_, index) => opId({ feed, seq, index }))
  }
}

const ofA = feedId(AUTHORITY, A)
const ofB = feedId(AUTHORITY, B)

function user(name: string, number: number, admin: boolean, actor: string): NewOp {
  return op(
    'user.created',
    { name, number, email: '', realname: '', comment: '', admin, passwordHash: HASH },
    actor,
  )
}

/** A founded it and let B in; root made two administrators, alice and bob, and bob the project shop. */
function founded(role: 'anchor' | 'edge' = 'anchor'): {
  book: Book
  root: string
  alice: string
  bob: string
  shop: string
} {
  const book = new Book()
  book.write(A, {}, foundingOps(genesis, A, factsOf('a')))
  const invite = {
    invite: 'invite-b',
    verifier: 'v',
    expiresAt: 1,
    role,
    scope: null,
    approval: false,
    days: null,
  }
  book.write(A, {}, [op('invite.created', invite, 'node')])
  book.write(A, {}, [
    op('node.admitted', { node: B, facts: factsOf('b'), invite: 'invite-b', notAfter: null }, 'node'),
  ])
  const [root] = book.write(A, {}, [user('root', 1, true, 'node')]) as [string]
  const [alice, bob] = book.write(A, {}, [user('alice', 2, true, root), user('bob', 3, true, root)]) as [
    string,
    string,
  ]
  const [shop] = book.write(A, {}, [
    op(
      'project.created',
      { name: 'shop', number: 1, owner: bob, ownerMember: 1, metadata: { public: 'false' } },
      bob,
    ),
  ]) as [string]
  return { book, root, alice, bob, shop }
}

const JOINED = { [ofA]: 6 }

function row(
  state: ReturnType<typeof referenceState>,
  table: string,
  key: string,
): Record<string, unknown> | undefined {
  return state.tables.get(table)?.get(key) as Record<string, unknown> | undefined
}

function why(
  state: ReturnType<typeof referenceState>,
  id: string | undefined,
  family = 'authority',
): string | undefined {
  const found = state.ineffective.get(`${family}/${id}`) as IneffectiveRow | undefined
  return found && `${found.outcome} ${found.reason} by ${found.beatenBy}`
}

test('a founded cluster has its nodes, its people and nothing that does not count', () => {
  const { book, root, shop, bob } = founded()
  const state = referenceState(book.entries)
  expect(state.ineffective.size).toBe(0)
  expect(row(state, 'nodes', B)).toMatchObject({
    state: 'member',
    role: 'anchor',
    admittedBy: A,
    scope: null,
  })
  expect(row(state, 'invites', `${A}/invite-b`)).toMatchObject({ redeemedBy: B })
  expect(row(state, 'users', root)).toMatchObject({
    name: 'root',
    deleted: false,
    password: { epoch: 1, id: root },
  })
  expect(state.tables.get('claims')?.get('project-name:shop')).toEqual([{ id: shop, depth: 6 }])
  expect(row(state, 'memberships', `${bob}/${shop}`)).toEqual({ projectId: shop })
})

test('the order of entries and their coming twice leave no trace', () => {
  const { book } = founded()
  const once = referenceState(book.entries)
  const again = referenceState([...book.entries, ...book.entries].reverse())
  expect(again.stateHash).toBe(once.stateHash)
})

test('what a demoted administrator did unseen does not count, nor what rests on it', () => {
  const { book, root, alice, bob } = founded()
  const [removal] = book.write(A, {}, [op('user.admin-set', { user: alice, admin: false }, root)])
  const [door] = book.write(B, JOINED, [user('door', 9, true, alice)])
  const [friend] = book.write(B, {}, [user('friend', 10, false, door as string)])
  const [own] = book.write(B, {}, [user('own', 11, false, bob)])
  const state = referenceState(book.entries)
  expect(why(state, door)).toBe(`refused revoked by ${removal}`)
  expect(why(state, friend)).toBe(`refused revoked by ${removal}`)
  expect(why(state, own)).toBeUndefined()
})

test('equals who remove each other both fall; a senior’s removal undoes a junior’s', () => {
  const { book, root, alice, bob } = founded()
  book.write(A, {}, [op('user.admin-set', { user: bob, admin: false }, alice)])
  book.write(B, JOINED, [op('user.admin-set', { user: alice, admin: false }, bob)])
  const both = referenceState(book.entries)
  expect(
    [alice, bob].map(
      (id) => (row(both, 'users', id)?.['admin'] as { value: boolean }[] | undefined)?.[0]?.value,
    ),
  ).toEqual([false, false])

  const senior = founded()
  const [s] = senior.book.write(A, {}, [
    op('user.admin-set', { user: senior.alice, admin: false }, senior.root),
  ])
  const [junior] = senior.book.write(B, JOINED, [
    op('user.admin-set', { user: senior.root, admin: false }, senior.alice),
  ])
  expect(why(referenceState(senior.book.entries), junior)).toBe(`refused revoked by ${s}`)
  expect(root).toBe(senior.root)
})

test('the last administrator stays', () => {
  const { book, root, alice, bob } = founded()
  const [, , last] = book.write(
    A,
    {},
    [alice, bob, root].map((id) => op('user.deleted', { user: id }, 'node')),
  )
  expect(why(referenceState(book.entries), last)).toBe('refused last-admin by null')
})

test('an edge node decides nothing and pushes', () => {
  const { book, shop, bob } = founded('edge')
  const [decision] = book.write(B, JOINED, [user('own', 11, false, bob)])
  const tag = op('tag.moved', { projectId: shop, path: 'app', tag: 'v1', digest: DIGEST }, bob)
  book.write(B, { ...JOINED, [ofB]: 1 }, [tag], CATALOG)
  const state = referenceState(book.entries)
  expect(why(state, decision)).toBe('refused powerless by null')
  expect(row(state, 'repositories', `${shop}/app`)).toMatchObject({ tags: 1, manifests: 0 })
})

test('an invite of somebody who was removed meanwhile admits nobody', () => {
  const { book, root, alice } = founded()
  const [removal] = book.write(A, {}, [op('user.admin-set', { user: alice, admin: false }, root)])
  const invite = {
    invite: 'invite-x',
    verifier: 'v',
    expiresAt: 1,
    role: 'anchor',
    scope: null,
    approval: false,
    days: null,
  } as const
  book.write(B, JOINED, [op('invite.created', invite, alice)])
  const node = 'x'.repeat(24)
  const [admission] = book.write(B, {}, [
    op('node.admitted', { node, facts: factsOf('x'), invite: 'invite-x', notAfter: null }, 'node'),
  ])
  const state = referenceState(book.entries)
  expect(why(state, admission)).toBe(`refused revoked by ${removal}`)
  expect(row(state, 'nodes', node)).toBeUndefined()
})

test('a graceful eviction leaves pushes that had not seen it, a compromised one cuts beyond its frontier', () => {
  for (const compromised of [false, true]) {
    const { book, root, shop, bob } = founded()
    const push = (tag: string) => op('tag.moved', { projectId: shop, path: 'app', tag, digest: DIGEST }, bob)
    book.write(B, JOINED, [push('one')], CATALOG)
    const [second] = book.write(B, {}, [push('two')], CATALOG)
    const frontier = compromised ? { [feedId(CATALOG, B)]: 1 } : null
    const [evicted] = book.write(A, {}, [
      op('node.evicted', { node: B, compromised, frontier, reason: '' }, root),
    ])
    const state = referenceState(book.entries)
    expect(why(state, second, 'catalog')).toBe(compromised ? `refused evicted by ${evicted}` : undefined)
    expect(row(state, 'repositories', `${shop}/app`)).toMatchObject({ tags: compromised ? 1 : 2 })
    expect(row(state, 'nodes', B)).toMatchObject({ state: 'evicted' })
  }
})

test('two values written apart stand side by side, the deeper first', () => {
  const { book, shop, bob, root } = founded()
  const set = (value: string, actor: string) =>
    op('project.metadata-set', { project: shop, metadata: { note: value } }, actor)
  book.write(A, {}, [set('shallow', bob)])
  book.write(B, JOINED, [set('first', root)])
  book.write(B, {}, [set('deep', root)])
  const metadata = row(referenceState(book.entries), 'projects', shop)?.['metadata'] as Record<
    string,
    { value: string }[]
  >
  expect(metadata['note']?.map(({ value }) => value)).toEqual(['deep', 'shallow'])
})

test('of a link each field keeps what was said apart, and what was taken back', () => {
  const { book, root } = founded()
  const say = (said: object) => op('link.policy-set', { link: 'hq/shop', ...said }, root)
  book.write(A, {}, [say({ rate: 20_000, forbidden: true })])
  book.write(B, JOINED, [say({ rate: 30_000 })])
  book.write(A, {}, [say({ forbidden: null })])
  const policy = row(referenceState(book.entries), 'linkPolicies', 'hq/shop') as Record<
    string,
    { value: unknown }[]
  >
  const values = (field: string) => policy[field]?.map(({ value }) => value)
  expect(values('rate')?.sort()).toEqual([20_000, 30_000])
  expect(values('forbidden')).toEqual([null])
  expect(values('budget')).toEqual([])
})
