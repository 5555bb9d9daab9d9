import { describe, expect, test } from 'vitest'
import { check, type Ending, type Violation } from './checkers/check.ts'
import type { Call, Kind, Operation, Outcome } from './history.ts'

const HASH = 'ab'.repeat(32)
const [D1, D2, B1] = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`, `sha256:${'b'.repeat(64)}`]
const nodes = ['n1', 'n2', 'n3', 'n4', 'n5']
const at = { project: 'p', repository: 'p/app' }

const PEACE: Ending = {
  agreement: { milliseconds: 5, hashes: Object.fromEntries(nodes.map((node) => [node, HASH])), agreed: true },
  reference: { node: 'n2', hash: HASH, expected: HASH },
  writes: nodes.map((node) => ({ node, acknowledgedMs: 10, reachedMs: 50, missing: [] })),
  adminsAfterDuel: ['admin'],
  crashes: [],
  logLines: [],
}

/** A history, a call a line, each ten milliseconds long and ten after the one before. */
class Tale {
  readonly calls: Call[] = []

  tell(node: string, op: Partial<Operation> & Pick<Operation, 'kind'>, rest: Partial<Call> = {}): this {
    const start = this.calls.length * 20
    const outcome: Outcome = 'ok'
    this.calls.push({
      id: this.calls.length,
      client: 'c',
      node,
      phase: 'storm',
      op: { actor: 'admin', ...op },
      start,
      end: rest.outcome === 'unknown' ? start + 3000 : start + 10,
      outcome,
      status: 200,
      ...rest,
    })
    return this
  }
}

const gone = { outcome: 'fail', status: 404 } as const
const push = { kind: 'push', ...at, tag: 'stable', digest: D1, blob: B1 } as const
const pull = { kind: 'read.manifest', ...at, digest: D1 } as const
const good = { bytes: D1, digest: D1 }

function promises(tale: Tale, ending: Partial<Ending> = {}): string[] {
  return check(tale.calls, { ...PEACE, ...ending }).map(
    ({ promise }: Violation) => promise.split(' ')[0] as string,
  )
}

describe('I1', () => {
  test('a push that is gone where it was acknowledged is seen', () => {
    expect(promises(new Tale().tell('n1', push).tell('n1', pull, gone))).toEqual(['I1'])
    const blob = { kind: 'read.blob', ...at, digest: D1, blob: B1 } as const
    expect(promises(new Tale().tell('n1', push).tell('n1', blob, gone))).toEqual(['I1'])
  })

  test('elsewhere it may be late during the faults, and not in the end', () => {
    expect(promises(new Tale().tell('n1', push).tell('n2', pull, gone))).toEqual([])
    expect(promises(new Tale().tell('n1', push).tell('n2', pull, { ...gone, phase: 'final' }))).toEqual([
      'I1',
    ])
    const late = { outcome: 'unknown', status: 503, phase: 'final' } as const
    expect(promises(new Tale().tell('n1', push).tell('n2', pull, late))).toEqual(['I1'])
    const again = (outcome: object) =>
      promises(new Tale().tell('n1', push).tell('n2', pull, late).tell('n2', pull, outcome))
    expect(again({ ...good, phase: 'final' })).toEqual([])
    expect(again(late)).toEqual(['I1'])
  })

  test('a deletion that may have been done excuses, one that was refused does not', () => {
    const remove = { kind: 'manifest.delete', ...at, digest: D1 } as const
    const lost = (outcome: Outcome) =>
      promises(new Tale().tell('n1', push).tell('n3', remove, { outcome }).tell('n1', pull, gone))
    expect(lost('ok')).toEqual([])
    expect(lost('unknown')).toEqual([])
    expect(lost('fail')).toEqual(['I1'])
  })

  test('a user who was made, or let in, and is on no list is seen', () => {
    const listed = { phase: 'final', names: ['eve'] } as const
    const user = { kind: 'user.create', user: 'bob' } as const
    expect(promises(new Tale().tell('n1', user).tell('n4', { kind: 'list.users' }, listed))).toEqual(['I1'])
    const grant = { kind: 'member.grant', user: 'bob', project: 'p' } as const
    const members = { kind: 'list.members', project: 'p' } as const
    expect(promises(new Tale().tell('n1', grant).tell('n4', members, listed))).toEqual(['I1'])
    const revoke = { kind: 'member.revoke', user: 'bob', project: 'p' } as const
    expect(promises(new Tale().tell('n1', revoke).tell('n1', grant).tell('n4', members, listed))).toEqual([
      'I1',
    ])
    // At another node it may be concurrent, and wins.
    expect(promises(new Tale().tell('n2', revoke).tell('n1', grant).tell('n4', members, listed))).toEqual([])
  })
})

describe('I2', () => {
  test('bytes that hash to something else are seen', () => {
    expect(promises(new Tale().tell('n1', pull, good))).toEqual([])
    expect(promises(new Tale().tell('n1', pull, { bytes: D2, digest: D1 }))).toEqual(['I2'])
    const byTag = { kind: 'read.tag', ...at, tag: 'stable' } as const
    expect(promises(new Tale().tell('n1', byTag, { bytes: D2, digest: D1 }))).toEqual(['I2'])
    const blob = { kind: 'read.blob', ...at, digest: D1, blob: B1 } as const
    expect(promises(new Tale().tell('n1', blob, { bytes: D2 }))).toEqual(['I2'])
  })
})

describe('I3', () => {
  test('one node with another state is seen, and so is one that says nothing', () => {
    for (const hash of ['cd'.repeat(32), undefined]) {
      const hashes = { ...PEACE.agreement.hashes, n3: hash }
      const agreement = { milliseconds: 30_100, hashes, agreed: false }
      expect(promises(new Tale(), { agreement })).toEqual(['I3'])
    }
  })

  test('nodes that agree on what the reference reducer does not say are seen', () => {
    expect(promises(new Tale(), { reference: { node: 'n1', hash: 'ee', expected: HASH } })).toEqual(['I3'])
  })
})

describe('I4', () => {
  const revoke = { kind: 'member.revoke', user: 'bob', project: 'p' } as const
  const use = { kind: 'read.project', actor: 'bob', project: 'p' } as const
  const grant = { kind: 'member.grant', user: 'bob', project: 'p' } as const

  test('a right that is served at the node after it was taken is seen', () => {
    expect(promises(new Tale().tell('n1', grant).tell('n1', revoke).tell('n1', use))).toEqual(['I4'])
    const token = { ...pull, actor: 'bob' }
    expect(promises(new Tale().tell('n1', revoke).tell('n1', token, good))).toEqual(['I4'])
  })

  test('elsewhere it may still be served during the faults, and not in the end', () => {
    expect(promises(new Tale().tell('n1', revoke).tell('n2', use))).toEqual([])
    expect(promises(new Tale().tell('n1', revoke).tell('n2', use, { phase: 'final' }))).toEqual(['I4'])
  })

  test('whoever may have been let in again is nobody’s fault', () => {
    for (const outcome of ['ok', 'unknown'] as const)
      expect(promises(new Tale().tell('n1', revoke).tell('n3', grant, { outcome }).tell('n1', use))).toEqual(
        [],
      )
    expect(promises(new Tale().tell('n1', revoke).tell('n3', grant, gone).tell('n1', use))).toEqual(['I4'])
    const pending = { outcome: 'unknown' } as const
    expect(promises(new Tale().tell('n3', grant, pending).tell('n1', revoke).tell('n1', use))).toEqual([])
  })

  test('an account that was deleted and one that is no administrator any more are seen', () => {
    const remove = { kind: 'user.delete', user: 'bob' } as const
    const account = { kind: 'read.account', actor: 'bob' } as const
    expect(promises(new Tale().tell('n1', remove).tell('n1', account))).toEqual(['I4'])
    const lower = { kind: 'admin.set', user: 'bob', admin: false } as const
    const list = { kind: 'read.admin', actor: 'bob' } as const
    expect(promises(new Tale().tell('n1', lower).tell('n1', list))).toEqual(['I4'])
    const raise = { ...lower, admin: true }
    expect(promises(new Tale().tell('n1', lower).tell('n2', raise).tell('n1', list))).toEqual([])
  })

  test('what somebody took who was losing power himself may be given back by the merge', () => {
    const lower = { kind: 'admin.set', user: 'carl', admin: false } as const
    const byCarl = { ...revoke, actor: 'carl' }
    expect(promises(new Tale().tell('n1', byCarl).tell('n1', use))).toEqual(['I4'])
    expect(promises(new Tale().tell('n2', lower).tell('n1', byCarl).tell('n1', use))).toEqual([])
  })
})

describe('I10 and I12', () => {
  test('a node that takes no write, and a write that arrives nowhere, are seen', () => {
    const silent = { node: 'n1', acknowledgedMs: undefined, reachedMs: undefined, missing: [] }
    expect(promises(new Tale(), { writes: [silent] })).toEqual(['I10'])
    const stuck = { node: 'n1', acknowledgedMs: 5, reachedMs: undefined, missing: ['n3'] }
    expect(promises(new Tale(), { writes: [stuck] })).toEqual(['I10'])
    const slow = { node: 'n1', acknowledgedMs: 5, reachedMs: 31_000, missing: [] }
    expect(promises(new Tale(), { writes: [slow] })).toEqual(['I10'])
  })

  test('a cluster without an administrator is seen', () => {
    expect(promises(new Tale(), { adminsAfterDuel: [] })).toEqual(['I12'])
    expect(promises(new Tale(), { adminsAfterDuel: undefined })).toEqual([])
  })
})

describe('I13', () => {
  const look = { kind: 'read.tag', ...at, tag: 'stable' } as const
  const [one, two] = [
    { bytes: D1, digest: D1 },
    { bytes: D2, digest: D2 },
  ]

  test('a tag that goes back to what it was is seen', () => {
    const tale = () => new Tale().tell('n1', look, one).tell('n1', look, two)
    expect(promises(tale().tell('n1', look, one))).toEqual(['I13'])
    expect(promises(tale().tell('n2', look, one))).toEqual([])
    const untag = { kind: 'tag.delete', ...at, tag: 'stable' } as const
    expect(promises(tale().tell('n4', untag).tell('n1', look, one))).toEqual([])
    expect(promises(new Tale().tell('n1', look, two).tell('n1', push).tell('n1', look, two))).toEqual(['I13'])
  })

  test('a manifest that was shown and then not is seen', () => {
    expect(promises(new Tale().tell('n1', pull, good).tell('n1', pull, gone))).toEqual(['I13'])
    expect(promises(new Tale().tell('n1', pull, good).tell('n2', pull, gone))).toEqual([])
  })
})

describe('processes', () => {
  test('an end that nobody asked for and a complaint are seen', () => {
    expect(promises(new Tale(), { crashes: [{ node: 'n1', how: 'exit 1' }] })).toEqual(['no'])
    expect(promises(new Tale(), { logLines: [{ node: 'n1', line: '{"level":50}' }] })).toEqual(['no'])
  })

  test('a 5xx is seen, unless it says "not now" or "no room"', () => {
    const status = (status: number) =>
      promises(new Tale().tell('n1', { kind: 'other' }, { outcome: 'unknown', status }))
    expect([status(500), status(502), status(503), status(507)]).toEqual([['no'], ['no'], [], []])
  })

  test('whoever lost nothing is never turned away', () => {
    const refused = (status: number, kind: Kind = 'list.users') =>
      promises(new Tale().tell('n1', { kind }, { outcome: 'fail', status }))
    expect([refused(401), refused(403), refused(404)]).toEqual([['who'], ['who'], []])
    // A project that is gone, or has yet to arrive.
    expect([refused(401, 'read.tag'), refused(403, 'read.tag')]).toEqual([['who'], []])
  })
})

test('a history in which everything went well has no violation', () => {
  const tale = new Tale()
    .tell('n1', push)
    .tell('n1', pull, good)
    .tell('n5', pull, { ...good, phase: 'final' })
  expect(check(tale.calls, PEACE)).toEqual([])
})
