import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { decodeEntry } from '../../../src/journal/entry.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../../../src/journal/genesis.ts'
import type { KeyRange, Write } from '../../../src/journal/key-value.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, type Entry, type NewOp } from '../../../src/journal/op.ts'
import { Sequencer } from '../../../src/journal/sequencer.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { LevelStore } from '../../../src/store/level/level-store.ts'

const cleanups: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const clean of cleanups) await clean()
})

const [ONE, TWO, THREE] = ['1', '2', '3'].map((digit) => digit.repeat(24)) as [string, string, string]
const nonce = new Uint8Array(32)
const genesis = writeGenesis({ name: 'test', founder: ONE, nonce, time: 1, recovery: nonce })
const cluster = clusterIdOf(genesis)
const key = 'k'.repeat(43)
const facts = { name: 'one', site: 'here', addresses: [], swarm: [], url: null, tokenKey: key, sealKey: key }
/** Of content nothing is decided again here. */
const archive = { async *read() {}, base: async () => undefined }
/** Some five batches, as each is changed once. */
const ACCOUNTS = 250

class Site {
  readonly sequencer: Sequencer
  /** A full disk: what it says of the next write. */
  refusal: Fault | undefined
  readonly #written: Uint8Array[] = []

  constructor(node: string, level: LevelStore) {
    const write = async (writes: readonly Write[]) => {
      const { refusal } = this
      this.refusal = undefined
      if (refusal) throw refusal
      await level.write(writes)
    }
    const store = {
      write,
      get: (at: string) => level.get(at),
      range: (bounds: KeyRange) => level.range(bounds),
    }
    const append = async (_entry: Entry, bytes: Uint8Array, writes: readonly Write[]) => {
      await store.write(writes)
      this.#written.push(bytes)
    }
    this.sequencer = new Sequencer({ store, log: { append }, archive, clock: systemClock, node, cluster })
  }

  static async of(node: string): Promise<Site> {
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-right-reviews-'))
    const store = await LevelStore.open(directory)
    cleanups.push(async () => {
      await store.close()
      await rm(directory, { recursive: true, force: true })
    })
    return new Site(node, store)
  }

  async commit(...ops: NewOp[]): Promise<readonly string[]> {
    return (await this.sequencer.commit(AUTHORITY, () => ops)).ids
  }

  /** All that the other has written from there on. */
  async learn(other: Site, from = 0): Promise<number> {
    const entries = other.#written.slice(from).map((bytes) => ({ entry: decodeEntry(bytes), writes: [] }))
    await this.sequencer.ingest(entries)
    return other.#written.length
  }
}

function person(name: string, number: number, admin: boolean, actor: string): NewOp {
  const about = { email: '', realname: '', comment: '', passwordHash: '$argon2id$x' }
  return op('user.created', { name, number, admin, ...about }, actor)
}

/** One member's administrator changed many accounts; another took its right, which it hears of only now. */
async function lateRevocation() {
  const [one, two] = [await Site.of(ONE), await Site.of(TWO)]
  await one.commit(...foundingOps(genesis, ONE, facts))
  const [senior = ''] = await one.commit(person('senior', 2, true, 'node'))
  const [junior = ''] = await one.commit(person('junior', 3, true, senior))
  const accounts = await one.commit(
    ...Array.from({ length: ACCOUNTS }, (_, n) => person(`u${n}`, n + 10, false, senior)),
  )
  const terms = { role: 'anchor', scope: null, approval: false, days: null } as const
  await one.commit(
    op('invite.created', { invite: 'come-to-us', verifier: 'v', expiresAt: 1, ...terms }, 'node'),
  )
  await one.commit(
    op(
      'node.admitted',
      { node: TWO, facts: { ...facts, name: 'two' }, invite: 'come-to-us', notAfter: null },
      'node',
    ),
  )
  const known = await two.learn(one)
  await two.commit(...accounts.map((user) => op('user.profile-set', { user, comment: 'by junior' }, junior)))
  await one.commit(op('user.admin-set', { user: junior, admin: false }, senior))
  return { one, two, known, senior, accounts }
}

test('what is written while a review is under way is not lost to what was decided ahead of it', async () => {
  const { one, two, known, senior, accounts } = await lateRevocation()
  let written: Promise<unknown> | undefined
  let batches = 0
  two.sequencer.onApplied(({ entries, changes }) => {
    if (entries.length > 0 || !changes.some(({ table }) => table === 'reviews')) return
    batches += 1
    written ??= two.commit(
      ...accounts.map((user) => op('user.profile-set', { user, realname: 'seen' }, senior)),
    )
  })
  await two.learn(one, known)
  await two.sequencer.settled()
  await written
  await two.sequencer.settled()
  expect(batches).toBeGreaterThan(3)

  // Whoever knows of the revocation first decides each op as it comes.
  const other = await Site.of(THREE)
  await other.learn(one)
  await other.learn(two)
  await other.sequencer.settled()
  for (const user of accounts) {
    const row = two.sequencer.tables.get('users', user)
    expect([row?.comment[0]?.value, row?.realname[0]?.value]).toEqual(['', 'seen'])
  }
  expect(two.sequencer.tables.stateHash()).toBe(other.sequencer.tables.stateHash())
})

test('a review that the store would not write goes on where it stopped', async () => {
  const { one, two, known, accounts } = await lateRevocation()
  const stop = two.sequencer.onApplied(({ entries }) => {
    if (entries.length > 0) return
    stop()
    two.refusal = new Fault('STORAGE_FULL', 'the disk is full')
  })
  await two.learn(one, known)
  await expect(two.sequencer.settled()).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  expect(two.sequencer.isReviewing).toBe(true)
  await two.sequencer.settled()
  for (const user of accounts) {
    expect(two.sequencer.tables.get('users', user)?.comment[0]?.value).toBe('')
  }
})
