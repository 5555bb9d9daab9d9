import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { clusterIdOf, foundingOps, writeGenesis } from '../../../src/journal/genesis.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, type Entry, type NewOp } from '../../../src/journal/op.ts'
import type { NodeFacts } from '../../../src/journal/rows.ts'
import { Sequencer } from '../../../src/journal/sequencer.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { LevelStore } from '../../../src/store/level/level-store.ts'

const [A, B, C, X] = ['a', 'b', 'c', 'x'].map((name) => name.repeat(24)) as [string, string, string, string]
const genesis = writeGenesis({
  name: 'test',
  founder: A,
  nonce: new Uint8Array(32),
  time: 1,
  recovery: new Uint8Array(32),
})
const cluster = clusterIdOf(genesis)

/** Nothing here is decided again: no late eviction cuts into content. */
const NO_ARCHIVE = { async *read() {}, base: async () => undefined }

interface Site {
  readonly sequencer: Sequencer
  readonly written: Entry[]
  commit(...ops: readonly NewOp[]): Promise<void>
  learn(...entries: readonly Entry[]): Promise<void>
}

async function site(node: string): Promise<Site> {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-nodes-'))
  const store = await LevelStore.open(directory)
  onTestFinished(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  const written: Entry[] = []
  const log = {
    async append(entry: Entry, _bytes: Uint8Array, writes: Parameters<LevelStore['write']>[0]) {
      written.push(entry)
      await store.write(writes)
    },
  }
  const sequencer = new Sequencer({ store, log, archive: NO_ARCHIVE, clock: systemClock, node, cluster })
  return {
    sequencer,
    written,
    commit: async (...ops) => {
      await sequencer.commit(AUTHORITY, () => ops)
    },
    learn: async (...entries) => {
      expect(await sequencer.ingest(entries.map((entry) => ({ entry, writes: [] })))).toBe(entries.length)
    },
  }
}

function facts(name: string): NodeFacts & { addresses: string[]; swarm: string[] } {
  return {
    name,
    site: 'here',
    addresses: [],
    swarm: [],
    url: null,
    tokenKey: 'k'.repeat(43),
    sealKey: 'k'.repeat(43),
  }
}

function admission(node: string, name: string, invite: string): NewOp[] {
  return [
    op(
      'invite.created',
      { invite, verifier: 'v', expiresAt: 1, role: 'anchor', scope: null, approval: false, days: null },
      'node',
    ),
    op('node.admitted', { node, facts: facts(name), invite, notAfter: null }, 'node'),
  ]
}

/** Two members that know each other, and nobody else. */
async function pair(): Promise<{ a: Site; b: Site; common: Entry[] }> {
  const [a, b] = [await site(A), await site(B)]
  await a.commit(...foundingOps(genesis, A, facts('a')))
  await a.commit(...admission(B, 'b', 'invite-b'))
  const common = [...a.written]
  await b.learn(...common)
  return { a, b, common }
}

test('a node admitted at two sites that did not know of each other is the same node everywhere', async () => {
  const { a, b, common } = await pair()
  await a.commit(...admission(X, 'x-by-a', 'invite-a-x'))
  await b.commit(...admission(X, 'x-by-b', 'invite-b-x'))
  const [byA, byB] = [a.written.slice(common.length), b.written]
  await a.learn(...byB)
  await b.learn(...byA)
  expect(a.sequencer.tables.get('nodes', X)).toEqual(b.sequencer.tables.get('nodes', X))
  expect(a.sequencer.tables.stateHash()).toBe(b.sequencer.tables.stateHash())
})

test('what a node says of itself outlives an admission that is heard of later', async () => {
  const { a, b, common } = await pair()
  await a.commit(...admission(X, 'x-by-a', 'invite-a-x'))
  await b.commit(...admission(X, 'x-by-b', 'invite-b-x'))
  const [byA, byB] = [a.written.slice(common.length), b.written]
  const x = await site(X)
  await x.learn(...common, ...byB)
  await x.commit(op('node.announced', { facts: facts('x-itself') }, 'node'))
  const readers = [await site(C), await site(`${C}2`)] as [Site, Site]
  await readers[0].learn(...common, ...byA, ...byB, ...x.written)
  await readers[1].learn(...common, ...byB, ...x.written, ...byA)
  for (const { sequencer } of readers) expect(sequencer.tables.get('nodes', X)?.name).toBe('x-itself')
  expect(readers[0].sequencer.tables.stateHash()).toBe(readers[1].sequencer.tables.stateHash())
})

test('an invite redeemed by a node that was evicted elsewhere leaves the same rows everywhere', async () => {
  const { a, b, common } = await pair()
  await a.commit(...admission(X, 'x', 'invite-a-x'))
  await b.learn(...a.written.slice(common.length))
  const before = a.written.length
  await a.commit(op('node.evicted', { node: X, compromised: false, frontier: null, reason: '' }, 'node'))
  await b.commit(...admission(X, 'x', 'invite-b-x'))
  await b.learn(...a.written.slice(before))
  await a.learn(...b.written)
  expect(a.sequencer.tables.get('nodes', X)?.state).toBe('evicted')
  expect(a.sequencer.tables.stateHash()).toBe(b.sequencer.tables.stateHash())
})
