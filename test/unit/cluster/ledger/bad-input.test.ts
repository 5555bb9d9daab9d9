import { expect, test } from 'vitest'
import { AUTHORITY, CATALOG, type Entry } from '../../../../src/journal/op.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import {
  admit,
  everything,
  fleet,
  forge,
  newIdentity,
  nextEntry,
  openSite,
  type Plan,
  type Site,
  tag,
  user,
  write,
} from './shipyard.ts'

/**
 * What a member may be sent, one line each: refused or contained, counted, logged, and the node goes on. A flood of
 * gossip subscriptions is in ../network/gossip-flood.test.ts, more ways to forge in ingest.test.ts, bad snapshots
 * in snapshots.test.ts, a disk that changes what is stored in damage.test.ts.
 */
interface Scene {
  readonly plan: Plan
  readonly founder: Site
  /** Its key is in the wrong hands. */
  readonly member: Site
  readonly honest: Site
  readonly reader: Site
  readonly lines: { readonly code?: unknown; readonly message: string }[]
}

async function scene(): Promise<Scene> {
  const { plan, founder, others } = await fleet(2)
  const [member, honest] = others as [Site, Site]
  const lines: Scene['lines'] = []
  const line = (facts: object, message: string) => {
    lines.push({ ...facts, message })
  }
  const identity = newIdentity()
  await admit(founder, identity.id, 'reader')
  const reader = await openSite(plan, {
    identity,
    log: { ...silentLogger, info: line, warn: line, error: line },
  })
  for (const site of [member, honest, reader]) await carry(founder, site)
  return { plan, founder, member, honest, reader, lines }
}

async function carry(from: Site, to: Site): Promise<void> {
  await to.journal.take(await everything(from), from.identity.id)
}

const unknown: Entry['ops'] = [{ kind: 'project.sailed', version: 1, actor: 'x', body: { knots: 7 } }]
const link = `zdpu${'A'.repeat(45)}`

/** The member's first entry, as an honest program would write it. */
function first({ member, founder }: Scene, ops: Entry['ops'] = unknown): Entry {
  const depth = 1 + (founder.journal.frontier()[`${AUTHORITY}@${founder.identity.id}`] ?? 0)
  return { ...nextEntry(member, ops), depth }
}

/** The feeds of the others arrive, the node writes itself, and whoever takes all that in holds the same. */
async function goesOn({ plan, reader, honest, founder }: Scene): Promise<void> {
  await write(honest, 3, 'honest')
  await carry(honest, reader)
  expect(reader.journal.frontier()).toMatchObject({ [`${CATALOG}@${honest.identity.id}`]: 3 })
  await reader.journal.commit(CATALOG, () => [tag('still')])
  await carry(reader, founder)
  const late = await openSite(plan)
  await carry(reader, late)
  expect(late.journal.position()).toEqual(reader.journal.position())
}

interface Misfit {
  readonly code: string
  readonly make: (scene: Scene) => Promise<Uint8Array>
}

const refused: Readonly<Record<string, Misfit>> = {
  'a forged signature': {
    code: 'ENTRY_FORGED',
    make: (at) => {
      const key = Buffer.from(at.member.identity.privateKey.publicKey.raw).toString('hex')
      const unsigned = { identity: at.member.identity.id, key }
      return forge(at.plan, newIdentity(), first(at), { unsigned, clock: { id: key, time: 1 } })
    },
  },
  'an author who was never admitted': {
    code: 'AUTHOR_UNKNOWN',
    make: (at) => {
      const stranger = newIdentity()
      return forge(at.plan, stranger, { ...first(at), author: stranger.id })
    },
  },
  'a snapshot signed by a stranger': {
    code: 'AUTHOR_UNKNOWN',
    make: (at) => {
      const stranger = newIdentity()
      const snapshot = {
        lane: CATALOG,
        frontier: {},
        authority: {},
        stateHash: '0'.repeat(64),
        digest: `sha256:${'0'.repeat(64)}`,
        bytes: 1,
      }
      const ops = [{ kind: 'lane.snapshotted', version: 1, actor: 'node', body: snapshot }]
      return forge(at.plan, stranger, { ...first(at, ops), author: stranger.id })
    },
  },
  'a depth of 2^53': {
    code: 'ENTRY_INVALID',
    make: (at) => forge(at.plan, at.member.identity, { ...first(at), depth: 2 ** 53 }),
  },
  'a depth of 1e308': {
    code: 'ENTRY_INVALID',
    make: (at) => forge(at.plan, at.member.identity, { ...first(at), depth: 1e308 }),
  },
  '33 entries before it': {
    code: 'BLOCK_INVALID',
    make: (at) =>
      forge(at.plan, at.member.identity, first(at), { next: Array.from({ length: 33 }, () => link) }),
  },
  '33 references': {
    code: 'BLOCK_INVALID',
    make: (at) =>
      forge(at.plan, at.member.identity, first(at), { refs: Array.from({ length: 33 }, () => link) }),
  },
  'a body of 10 MiB': {
    code: 'BLOCK_INVALID',
    make: (at) => {
      const body = { text: 'x'.repeat(10 * 1024 * 1024) }
      const ops = [{ kind: 'project.sailed', version: 1, actor: 'x', body }]
      return forge(at.plan, at.member.identity, first(at, ops))
    },
  },
}

for (const [name, { code, make }] of Object.entries(refused)) {
  test(`${name} is refused, counted and logged, and the node goes on`, async () => {
    const at = await scene()
    const before = at.reader.journal.position()
    const block = await make(at)
    for (let times = 0; times < 3; times++) {
      expect(await at.reader.journal.take([block], 'liar')).toMatchObject({ applied: 0, refused: 1 })
    }
    expect(at.reader.journal.status()).toMatchObject({ refused: { [code]: 3 }, parked: { blocks: 0 } })
    expect(at.lines).toContainEqual(expect.objectContaining({ code, from: 'liar', times: 1 }))
    expect(at.reader.journal.position()).toEqual(before)
    await goesOn(at)
  })
}

test('a seq behind a hole waits within bounds, and is applied once the hole is filled', async () => {
  const at = await scene()
  await write(at.member, 3)
  const [one, two, three] = at.member.blocks as [Uint8Array, Uint8Array, Uint8Array]
  expect(await at.reader.journal.take([three], 'liar')).toMatchObject({ applied: 0, incomplete: true })
  expect(at.reader.journal.status()).toMatchObject({ parked: { blocks: 1 }, waited: 1, refused: {} })
  expect(at.lines).toContainEqual(
    expect.objectContaining({ message: 'an entry waits for what comes before it', seq: 3, from: 'liar' }),
  )
  expect(await at.reader.journal.take([one, two], 'member')).toMatchObject({ applied: 3 })
  expect(at.reader.journal.status().parked).toEqual({ blocks: 0, bytes: 0 })
  await goesOn(at)
})

test('a seq that is used again is proof against its author alone', async () => {
  const at = await scene()
  const [a, b] = await Promise.all(
    [1, 2].map((time) => forge(at.plan, at.member.identity, { ...first(at), time })),
  )
  await at.reader.journal.take([a as Uint8Array], 'liar')
  await at.reader.journal.take([b as Uint8Array], 'liar')
  expect(at.reader.journal.status()).toMatchObject({ refused: { FORK: 1 }, writable: true })
  expect(at.reader.journal.status().forks).toHaveLength(1)
  expect(at.lines.map(({ message }) => message)).toContainEqual(expect.stringContaining('two entries'))
  await write(at.honest, 2)
  await carry(at.honest, at.reader)
  expect(at.reader.journal.frontier()).toMatchObject({ [`${CATALOG}@${at.honest.identity.id}`]: 2 })
  await at.reader.journal.commit(CATALOG, () => [tag('still')])
})

test('contexts from the future wait within bounds, whatever comes of them', async () => {
  const at = await scene()
  const feed = `${AUTHORITY}@${at.founder.identity.id}`
  const floods = Array.from({ length: 1_200 }, (_, n) => {
    const entry = first(at)
    return forge(
      at.plan,
      at.member.identity,
      {
        ...entry,
        seq: n === 0 ? 1 : n + 2,
        seen: { ...entry.seen, [feed]: 2 ** 40 },
        depth: 2 ** 41,
      },
      n === 0 ? {} : { next: [link] },
    )
  })
  await at.reader.journal.take(await Promise.all(floods), 'liar')
  const { parked, waited, refused } = at.reader.journal.status()
  expect(parked.blocks).toBeLessThanOrEqual(1024)
  expect({ waited, full: refused.PARKING_FULL }).toEqual({
    waited: parked.blocks,
    full: floods.length - parked.blocks,
  })
  expect(at.lines).toContainEqual(expect.objectContaining({ code: 'PARKING_FULL', from: 'liar', times: 1 }))
  expect(parked.bytes).toBeLessThanOrEqual(8 * 1024 * 1024)
  await goesOn(at)
})

test('an unknown kind is kept and handed on, and changes nothing', async () => {
  const at = await scene()
  const changed = new Set<string>()
  at.reader.journal.onChange((changes) => {
    for (const { table } of changes) changed.add(table)
  })
  const block = await forge(at.plan, at.member.identity, first(at))
  expect(await at.reader.journal.take([block], 'member')).toMatchObject({ applied: 1, refused: 0 })
  expect(at.reader.journal.status().unknownOps).toBe(1)
  expect(at.lines).toContainEqual(
    expect.objectContaining({ kind: 'project.sailed', message: expect.stringContaining('does not know') }),
  )
  // Only that it came to nothing is noted.
  expect([...changed].filter((table) => table !== 'ineffective')).toEqual([])
  await goesOn(at)
})

const ODD = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']

test('names that mean something to JavaScript are names or refusals, the same at every site', async () => {
  const at = await scene()
  const body = (text: string) => JSON.parse(text) as Record<string, unknown>
  const ops = ODD.flatMap((name) => {
    const owner = `"owner": "${'o'.repeat(22)}", "ownerMember": 91`
    return [
      { kind: 'user.created', actor: 'node', body: { ...Object(user('u').body), name } },
      {
        kind: 'project.created',
        actor: 'node',
        body: body(`{"name": "${name}", "number": 90, ${owner}, "metadata": {"${name}": "true"}}`),
      },
      { kind: name, actor: name, body: body(`{"${name}": {"admin": true}}`) },
    ].map((one) => ({ ...one, version: 1 }))
  })
  const entry = first(at, ops)
  const block = await forge(at.plan, at.member.identity, entry)
  expect(await at.reader.journal.take([block], 'member')).toMatchObject({ applied: 1, refused: 0 })
  expect(at.reader.journal.status().unknownOps).toBe(ODD.length)
  expect(at.lines).toContainEqual(expect.objectContaining({ kind: '__proto__', times: 1 }))
  for (const name of ODD) {
    const seen = body(`{"${name}": 1}`) as Entry['seen']
    const odd = await forge(at.plan, at.member.identity, { ...entry, seq: 2, seen }, { next: [link] })
    expect((await at.reader.journal.take([odd], 'liar')).applied).toBe(0)
    for (const lane of [name, `${AUTHORITY}@${name}`]) {
      expect(at.reader.journal.seenBy(`${lane}@x`)).toEqual({})
    }
  }
  const { refused } = at.reader.journal.status()
  expect(Object.values(refused).reduce((sum, times) => sum + times, 0)).toBe(ODD.length)
  await at.honest.journal.commit(CATALOG, () => ODD.map((name) => tag(name)))
  await carry(at.honest, at.reader)
  expect(({} as { admin?: unknown }).admin).toBeUndefined()
  expect(Object.keys(Object.prototype)).toEqual([])
  await carry(at.reader, at.founder)
  expect(at.founder.journal.stateHash()).toBe(at.reader.journal.stateHash())
})
