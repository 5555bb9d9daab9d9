import { encode } from 'cborg'
import { describe, expect, test } from 'vitest'
import { blockKey, encodeBlock } from '../../cluster/ledger/layout.ts'
import type { Readable } from '../../src/journal/effective.ts'
import type { Entry, Op } from '../../src/journal/op.ts'
import { Admissions } from './admissions.ts'
import { lostAcknowledged } from './checkers/acknowledged.ts'
import { disagreement, notConverged, type Standing } from './checkers/agreement.ts'
import { administrators, brokenChain, firstDifference, stateHashOf } from './checkers/disk-state.ts'
import { admittedAlone, misjudgedByEviction, unrecovered } from './checkers/membership.ts'
import { outOfOrder, stepBack } from './checkers/order.ts'
import { Rights } from './checkers/rights.ts'
import { SignedBlocks } from './checkers/signed-blocks.ts'
import { Past } from './past.ts'
import { hashOf, Keys, signBlock } from './signatures.ts'
import { SortedRows } from './sorted-rows.ts'
import { SeededRandom } from './world/random.ts'

const FEED = 'authority@alice'
const OTHER = 'authority@bob'

function entry(seq: number, changes: Partial<Entry> = {}): Entry {
  const seen = seq > 1 ? { [FEED]: seq - 1 } : {}
  const base = { format: 1, cluster: 'c', lane: 'authority', author: 'alice', time: 0, ops: [] } as const
  return { ...base, seq, depth: seq, seen, ...changes }
}

function after(...entries: Entry[]): Past {
  const past = new Past()
  for (const one of entries) past.apply(one)
  return past
}

const never = () => false

describe('what was acknowledged', () => {
  const acknowledged = [{ feed: FEED, seq: 1, hash: 'a' }]

  test('is missed when it is gone, and when another entry stands there', () => {
    expect(lostAcknowledged(acknowledged, () => 'a')).toBeUndefined()
    expect(lostAcknowledged(acknowledged, () => undefined)).toContain('lost')
    expect(lostAcknowledged(acknowledged, () => 'b')).toContain('another')
  })
})

describe('the order of entries', () => {
  test('the next one fits', () => {
    expect(outOfOrder(entry(2), after(entry(1)), never)).toBeUndefined()
  })

  test.each([
    ['a hole', entry(3)],
    ['one twice', entry(1)],
    ['an effect before its cause', entry(2, { seen: { [FEED]: 1, [OTHER]: 1 } })],
    ['a depth from nowhere', entry(2, { depth: 2 ** 47 })],
  ])('%s is seen', (_, one) => {
    expect(outOfOrder(one, after(entry(1)), never)).toBeDefined()
  })

  test('who forgets what it had seen is seen', () => {
    const bob = entry(1, { author: 'bob' })
    const bobAgain = entry(2, { author: 'bob', seen: { [OTHER]: 1 } })
    const alice = entry(1, { seen: { [OTHER]: 2 }, depth: 3 })
    const past = after(bob, bobAgain, alice)
    expect(outOfOrder(entry(2, { seen: { [FEED]: 1, [OTHER]: 1 }, depth: 4 }), past, never)).toContain(
      'forgot',
    )
  })

  test('a node that knows less than it did is seen', () => {
    expect(stepBack(after(entry(1)), { [FEED]: 1 }, never)).toBeUndefined()
    expect(stepBack(after(entry(1), entry(2)), { [FEED]: 1 }, never)).toContain('up to 2')
  })
})

describe('rights', () => {
  const tables = (rows: Record<string, unknown>) => ({
    get: (table: string, key: string) => rows[`${table}/${key}`] as never,
    has: () => true,
  })
  const op = (id: string, kind: string, body: object, seq: number, past = {}): Op => {
    const dot = { feed: `authority@${id}`, seq, index: 0 }
    return {
      id,
      kind,
      body,
      dot,
      past,
      actor: 'x',
      author: id,
      cluster: 'c',
      depth: seq,
      time: 0,
      version: 1,
    }
  }
  const grant = { 'members/p/u': { grants: [{ value: { role: 1, number: 1 } }] } }

  test('a role that outlives its revocation is seen, one given again is none', () => {
    const rights = new Rights()
    rights.apply(op('g', 'member.granted', { project: 'p', user: 'u' }, 1))
    expect(rights.violation(tables(grant))).toBeUndefined()
    rights.apply(op('r', 'member.revoked', { project: 'p', user: 'u' }, 1))
    expect(rights.violation(tables(grant))).toContain('revoked')
    rights.apply(op('h', 'member.granted', { project: 'p', user: 'u' }, 1, { 'authority@r': 1 }))
    expect(rights.violation(tables(grant))).toBeUndefined()
  })

  test('an administrator who is none any more is seen', () => {
    const admin = { 'users/u': { deleted: false, admin: [{ value: true }] } }
    const rights = new Rights()
    expect(rights.knowsAccounts).toBe(false)
    rights.apply(op('u', 'user.created', { admin: true }, 1))
    expect(rights.knowsAccounts).toBe(true)
    expect(rights.violation(tables(admin))).toBeUndefined()
    rights.apply(op('r', 'user.admin-set', { user: 'u', admin: false }, 1))
    expect(rights.violation(tables(admin))).toContain('taken away')
    rights.apply(op('d', 'user.deleted', { user: 'u' }, 1))
    expect(rights.violation(tables(admin))).toContain('deleted')
  })
})

describe('agreement', () => {
  const standing = (name: string, seq: number, changes: Partial<Standing> = {}): Standing => {
    const heads = new Map([[FEED, { seq, hash: `${seq}` }]])
    return {
      name,
      heads,
      digest: `${seq}`,
      stateHash: 's',
      rows: new SortedRows(),
      isForked: never,
      ...changes,
    }
  }

  test('one entry less is no agreement', () => {
    expect(notConverged([standing('a', 1), standing('b', 1)], new Set())).toBeUndefined()
    expect(notConverged([standing('a', 1), standing('b', 2)], new Set())).toContain(FEED)
  })

  test('a fork has to be known, and what lies behind it to go', () => {
    const forked = new Set([FEED])
    expect(notConverged([standing('a', 1), standing('b', 2)], forked)).toContain('fork')
    expect(notConverged([standing('a', 1), standing('b', 2, { isForked: () => true })], forked)).toContain(
      'holds 1',
    )
  })

  test('another state from the same entries is seen', () => {
    expect(disagreement([standing('a', 1), standing('b', 2, { stateHash: 't' })])).toBeUndefined()
    expect(disagreement([standing('a', 1), standing('b', 1, { stateHash: 't' })])).toContain(
      'different state',
    )
  })
})

describe('what is on disk', () => {
  test('a row changed behind the state hash changes what is worked out', () => {
    const rows = new SortedRows()
    const empty = stateHashOf(rows)
    rows.put('t/users/a', encode({ name: 'a' }))
    const one = stateHashOf(rows)
    expect(one).not.toBe(empty)
    const before = rows.copy()
    rows.put('t/users/a', encode({ name: 'b' }))
    expect(stateHashOf(rows)).not.toBe(one)
    expect(firstDifference(before, rows)).toContain('t/users/a')
    rows.delete('t/users/a')
    expect(stateHashOf(rows)).toBe(empty)
  })

  test('a chain with a gap, a foreign signature or a wrong link is seen', async () => {
    const keys = new Keys(new SeededRandom(1))
    const [alice, bob] = [keys.create(), keys.create()]
    const feed = `authority@${alice}`
    const write = (rows: SortedRows, seq: number, signer: string, next?: string) => {
      const ops = [{ kind: 'k', version: 1, actor: 'x', body: {} }]
      const seen = seq > 1 ? { [feed]: seq - 1 } : {}
      const bytes = signBlock(keys, signer, entry(seq, { author: alice, seen, ops }), next)
      rows.put(blockKey(feed, seq), encodeBlock({ hash: hashOf(bytes), depth: seq, bytes }))
      return hashOf(bytes)
    }
    const sound = new SortedRows()
    write(sound, 2, alice, write(sound, 1, alice))
    expect(
      await brokenChain({ rows: sound, frontier: { [feed]: 2 }, floor: () => 1 }, keys, 'c'),
    ).toBeUndefined()
    expect(await brokenChain({ rows: sound, frontier: { [feed]: 3 }, floor: () => 1 }, keys, 'c')).toContain(
      'missing',
    )
    const forged = new SortedRows()
    write(forged, 1, bob)
    expect(await brokenChain({ rows: forged, frontier: { [feed]: 1 }, floor: () => 1 }, keys, 'c')).toContain(
      'did not sign',
    )
    const unlinked = new SortedRows()
    write(unlinked, 1, alice)
    write(unlinked, 2, alice, 'elsewhere')
    expect(
      await brokenChain({ rows: unlinked, frontier: { [feed]: 2 }, floor: () => 1 }, keys, 'c'),
    ).toContain('not linked')
  })

  test('a cluster without administrator is seen', () => {
    const rows = new SortedRows()
    rows.put('t/users/a', encode({ name: 'a', deleted: true, admin: [{ value: true }] }))
    expect(administrators(rows)).toEqual([])
    rows.put('t/users/b', encode({ name: 'b', deleted: false, admin: [{ value: true }] }))
    expect(administrators(rows)).toEqual(['b'])
  })
})

test('a block nobody signed is not among the signed ones, and two of one number are a fork', () => {
  const signed = new SignedBlocks()
  signed.add({ entry: entry(1), hash: 'a' })
  expect([signed.has(FEED, 1, 'a'), signed.has(FEED, 1, 'b'), signed.forked.size]).toEqual([true, false, 0])
  signed.add({ entry: entry(1), hash: 'b' })
  expect([...signed.forked]).toEqual([FEED])
})

describe('whom a fork takes back', () => {
  const admitting = (seq: number, node: string, author = 'alice') =>
    entry(seq, { author, ops: [{ kind: 'node.admitted', version: 1, body: { node }, actor: 'node' }] })
  const knowing = (...nodes: string[]) => ({
    journal: { tables: { get: (_: string, key: string) => (nodes.includes(key) ? {} : undefined) } } as never,
  })

  function after(...admissions: Entry[]) {
    const signed = new SignedBlocks()
    const admitted = new Admissions(signed)
    for (const one of admissions) admitted.add(one)
    const fork = (seq: number) => {
      for (const hash of ['a', 'b']) signed.add({ entry: entry(seq), hash })
    }
    return { fork, isDisowned: (node = knowing()) => admitted.isDisowned(node, 'catalog/system@carol') }
  }

  test('is who was let in behind it, while nobody who knows him is asked', () => {
    const { fork, isDisowned } = after(admitting(5, 'carol'))
    expect(isDisowned()).toBe(false)
    fork(6)
    expect(isDisowned()).toBe(false)
    fork(4)
    expect(isDisowned()).toBe(true)
    expect(isDisowned(knowing('carol'))).toBe(false)
  })

  test('is whom those had let in', () => {
    const { fork, isDisowned } = after(admitting(5, 'bob'), admitting(1, 'carol', 'bob'))
    fork(5)
    expect(isDisowned()).toBe(true)
  })

  test('is nobody whom another let in as well', () => {
    const { fork, isDisowned } = after(admitting(5, 'carol'), admitting(1, 'carol', 'bob'))
    fork(5)
    expect(isDisowned()).toBe(false)
  })
})

describe('membership', () => {
  const at = (seq: number, kind: string, body: object, more: Partial<Op> = {}): Op => ({
    id: `${kind} ${seq}`,
    kind,
    version: 1,
    body,
    actor: 'node',
    author: 'alice',
    cluster: 'c',
    depth: seq,
    time: 0,
    past: {},
    dot: { feed: more.author === 'bob' ? OTHER : FEED, seq, index: 0 },
    ...more,
  })
  const tables = (rows: Readonly<Record<string, object>>): Readable => ({
    get: ((table: string, key: string) => rows[`${table} ${key}`]) as Readable['get'],
  })
  const eviction = at(9, 'node.evicted', { node: 'bob', frontier: { [OTHER]: 1 } })
  const inside = at(1, 'user.created', {}, { author: 'bob' })
  const outside = at(2, 'user.created', {}, { author: 'bob' })
  const refused = (op: Op) => ({
    [`ineffective authority/${op.id}`]: { outcome: 'refused', beatenBy: eviction.id },
  })

  test('an eviction takes back what lies outside its frontier, and nothing else', () => {
    const ops = [inside, outside, eviction]
    expect(misjudgedByEviction(ops, tables(refused(outside)))).toBeUndefined()
    expect(misjudgedByEviction(ops, tables({}))).toContain('outside')
    expect(misjudgedByEviction(ops, tables({ ...refused(inside), ...refused(outside) }))).toContain('within')
  })

  test('who was let in and approved by one alone is seen', () => {
    const invite = at(1, 'invite.created', { invite: 'i', approval: true }, { actor: 'ann' })
    const admission = at(2, 'node.admitted', { invite: 'i', node: 'bob' }, { actor: 'ann' })
    const approval = (actor: string) => at(3, 'node.approved', { node: 'bob' }, { actor })
    const member = tables({ 'nodes bob': { state: 'member' } })
    expect(admittedAlone([invite, admission, approval('ben')], member)).toBeUndefined()
    expect(admittedAlone([invite, admission, approval('ann')], member)).toContain('alone')
    expect(admittedAlone([invite, admission, approval('ann')], tables({}))).toBeUndefined()
  })

  test('a recovery that another key signed is seen', () => {
    const recovery = at(1, 'cluster.recovered', { signature: new Uint8Array(64) })
    expect(unrecovered([recovery], tables({}), () => true)).toBeUndefined()
    expect(unrecovered([recovery], tables({}), () => false)).toContain('another key')
  })
})
