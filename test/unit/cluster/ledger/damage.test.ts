import { decode, encode } from 'cborg'
import { expect, test } from 'vitest'
import { blockHash } from '../../../../cluster/ledger/block-hash.ts'
import { blockKey, decodeBlock, encodeBlock, headKey } from '../../../../cluster/ledger/layout.ts'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { LevelStore } from '../../../../src/store/level/level-store.ts'
import { agree, connect, launch, type Ship } from './harbour.ts'
import { everything, fleet, openSite, type Plan, type Site, tag, temporary, write } from './shipyard.ts'

const within = { timeout: 20_000, interval: 20 }

interface Scene {
  readonly plan: Plan
  readonly founder: Site
  readonly member: Site
  /** The feeds of the member, which is the one whose disk fails, and of the founder. */
  readonly own: string
  readonly theirs: string
}

async function scene(): Promise<Scene> {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  await write(founder, 20, 'theirs')
  await write(member, 20, 'own')
  await member.journal.take(await everything(founder), founder.identity.id)
  await founder.journal.take(await everything(member), member.identity.id)
  const feed = (site: Site) => `${CATALOG}@${site.identity.id}`
  return { plan, founder, member, own: feed(member), theirs: feed(founder) }
}

/** Changes a row while the node is down. */
async function damage(site: Site, key: string, change: (row: Uint8Array) => Uint8Array | undefined) {
  await site.close()
  const store = await LevelStore.open(site.directory)
  const row = store.get(key)
  if (!row) throw new Error(`there is no row ${key}`)
  const value = change(row)
  await store.write([value ? { type: 'put', key, value } : { type: 'del', key }])
  await store.close()
}

function flip(row: Uint8Array, at = row.length - 9): Uint8Array {
  const changed = Uint8Array.from(row)
  changed[at] = (changed[at] as number) ^ 1
  return changed
}

const inHash = (row: Uint8Array) => {
  const block = decodeBlock(row)
  return encodeBlock({ ...block, hash: `${block.hash.slice(0, -1)}${block.hash.endsWith('a') ? 'b' : 'a'}` })
}
const gone = () => undefined
const junk = () => new Uint8Array(40).fill(0xff)

async function reopen({ plan, member }: Pick<Scene, 'plan' | 'member'>, lines: string[] = []): Promise<Site> {
  const line = (_: object, message: string) => {
    lines.push(message)
  }
  const { identity, directory } = member
  return openSite(plan, { identity, directory, log: { ...silentLogger, warn: line, error: line } })
}

test('the name of a block is the one OrbitDB gives it', async () => {
  const { founder, theirs } = await scene()
  for (let seq = 1; seq <= 20; seq++) {
    const { hash, bytes } = decodeBlock(founder.store.get(blockKey(theirs, seq)) as Uint8Array)
    expect(blockHash(bytes)).toBe(hash)
  }
})

const changes = {
  'a bit flipped in its bytes': flip,
  'a bit flipped in its hash': inHash,
  'its row gone': gone,
  'junk in its row': junk,
}
for (const [how, change] of Object.entries(changes)) {
  for (const [whose, seq] of [
    ['own', 7],
    ['theirs', 7],
    ['theirs', 20],
  ] as const) {
    test(`an entry with ${how} (${whose}, ${seq} of 20) is handed to nobody and fetched again`, async () => {
      const at = await scene()
      const whole = at.member.store.get(blockKey(at[whose], seq))
      await damage(at.member, blockKey(at[whose], seq), change)
      const lines: string[] = []
      const site = await reopen(at, lines)
      const served: Uint8Array[] = []
      for await (const block of site.journal.blocks([{ feed: at[whose], from: 1, to: 20 }]))
        served.push(block)
      expect(served).toHaveLength(seq - 1)
      expect(site.journal.status().damaged).toEqual({ waiting: 1, mended: 0 })
      expect(lines).toContainEqual(expect.stringContaining('a stored entry is damaged'))
      await site.journal.commit(CATALOG, () => [tag('meanwhile')])
      const [a, b] = [await launch(at.plan, at.founder), await launch(at.plan, site)] as [Ship, Ship]
      connect(a, b)
      await write(at.founder, 3, 'later')
      await expect.poll(() => agree(a, b), within).toBe(true)
      expect(site.journal.status()).toMatchObject({
        damaged: { waiting: 0, mended: 1 },
        forks: [],
        refused: {},
      })
      expect(Buffer.from(site.store.get(blockKey(at[whose], seq)) as Uint8Array)).toEqual(
        Buffer.from(whole as Uint8Array),
      )
    })
  }
}

test('the end of a node’s own log is not written on while it is damaged', async () => {
  const at = await scene()
  await damage(at.member, blockKey(at.own, 20), flip)
  const site = await reopen(at)
  await expect(site.journal.commit(CATALOG, () => [tag('no')])).rejects.toMatchObject({
    code: 'JOURNAL_BUSY',
  })
  await site.journal.take(await everything(at.founder), at.founder.identity.id)
  await site.journal.commit(CATALOG, () => [tag('yes')])
  await at.founder.journal.take(await everything(site), site.identity.id)
  expect(at.founder.journal.position()).toEqual(site.journal.position())
})

for (const [how, change] of Object.entries({ 'a bit flipped': flip, junk, nothing: gone })) {
  test(`the head of a log with ${how} in its row is noted again from the last entry`, async () => {
    const at = await scene()
    const whole = at.member.store.get(headKey(at.own))
    await damage(at.member, headKey(at.own), change)
    const site = await reopen(at)
    expect(Buffer.from(site.store.get(headKey(at.own)) as Uint8Array)).toEqual(
      Buffer.from(whole as Uint8Array),
    )
    await site.journal.commit(CATALOG, () => [tag('on')])
    await at.founder.journal.take(await everything(site), site.identity.id)
    expect(at.founder.journal.position()).toEqual(site.journal.position())
  })
}

const states: Record<string, (row: Uint8Array) => Uint8Array> = {
  junk,
  'another depth': (row) => encode({ ...(decode(row) as object), depth: 3 }),
  'another seq': (row) => encode({ ...(decode(row) as object), seq: 19 }),
}
for (const [what, change] of Object.entries(states)) {
  test(`a node whose note of a log is ${what} does not start, and says what to do`, async () => {
    const at = await scene()
    await damage(at.member, `feed/${at.theirs}`, change)
    await expect(reopen(at)).rejects.toMatchObject({
      code: 'LEDGER_DAMAGED',
      message: expect.stringMatching(/move the folder `journal`/),
    })
    // And that helps.
    const again = await openSite(at.plan, { identity: at.member.identity, directory: await temporary() })
    await again.journal.take(await everything(at.founder), at.founder.identity.id)
    expect(again.journal.position()).toEqual(at.founder.journal.position())
  })
}

test('a look at everything finds what reading has not come across: entries and rows of tables', async () => {
  const at = await scene()
  expect(await at.member.journal.inspect()).toMatchObject({ damaged: [], tables: [] })
  await damage(at.member, blockKey(at.theirs, 5), flip)
  let key = ''
  const store = await LevelStore.open(at.member.directory)
  for await (const [row] of store.range({ gte: 't/nodes/', lt: 't/nodes0', limit: 1 })) key = row
  await store.close()
  await damage(at.member, key, (row) => flip(row, row.length - 1))
  const site = await reopen(at)
  expect(await site.journal.inspect()).toMatchObject({
    damaged: [{ feed: at.theirs, seq: 5 }],
    tables: [AUTHORITY],
  })
})
