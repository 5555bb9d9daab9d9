import { join } from 'node:path'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, type NewOp } from '../../../src/journal/op.ts'
import { count, type Figure, mebibytes, ms, spread } from '../figures.ts'
import { callers } from '../load.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { admit, everything, foundMember, type Member, openMember, TagWriter } from './member.ts'

const TOGETHER = 64

/**
 * A right is taken at one site while, cut off, another site writes 100,000 ops that rest on it. Where both come
 * together all of those are decided anew: how long that takes, and what somebody who writes meanwhile feels.
 */
export async function review(scale: Scale): Promise<Figure[]> {
  const dependents = scale.brief ? 10_000 : 100_000
  const accounts = dependents / CHANGES_EACH
  const changes = (junior: string, users: readonly string[]) => (n: number) =>
    op('user.profile-set', { user: users[n % accounts] as string, comment: `change ${n}` }, junior)
  const births = (junior: string) => (n: number) => person(`p${n}`, n + 10_000, false, junior)
  return [
    ...(await late(dependents, accounts, `changes of ${count(accounts)} accounts`, changes)),
    ...(await late(dependents / 10, 0, 'new accounts', births)),
  ]
}

/** So many times each account is changed by whoever is to lose the right to. */
const CHANGES_EACH = 100

async function late(
  dependents: number,
  accounts: number,
  name: string,
  writes: (junior: string, users: readonly string[]) => (n: number) => NewOp,
): Promise<Figure[]> {
  return inScratch(async (directory) => {
    const founder = await foundMember(join(directory, 'founder'))
    const senior = await administrator(founder, 'senior', 'node')
    const junior = await administrator(founder, 'junior', senior)
    const users: string[] = []
    for (let n = 0; n < accounts; n++) {
      const { ids } = await founder.journal.commit(AUTHORITY, () => [person(`u${n}`, n + 100, false, senior)])
      users.push(ids[0] as string)
    }
    const cutOff = await openMember(join(directory, 'cut-off'), founder.journal.cluster)
    await admit(founder, cutOff.identity.id)
    await carry(founder, cutOff)
    const write = writes(junior, users)
    await callers(TOGETHER, dependents, (n) => cutOff.journal.commit(AUTHORITY, () => [write(n)]))
    const blocks: Uint8Array[][] = []
    const before = founder.journal.frontier()
    await founder.journal.commit(AUTHORITY, () => [
      op('user.admin-set', { user: junior, admin: false }, senior),
    ])
    for await (const page of since(founder, before)) blocks.push(page)

    const tags = await TagWriter.of(cutOff)
    const calm = await whileBusy(tags, 'calm', async () => {
      await new Promise((resolve) => setTimeout(resolve, 500))
    })
    let takenMs = 0
    let settledMs = 0
    const busy = await whileBusy(tags, 'busy', async () => {
      const startedAt = performance.now()
      for (const page of blocks) await cutOff.journal.take(page, founder.identity.id)
      takenMs = performance.now() - startedAt
      await cutOff.journal.settled()
      settledMs = performance.now() - startedAt
    })
    const refused = await ineffective(cutOff)
    if (refused !== dependents) throw new Error(`${refused} of ${dependents} ops were decided anew`)
    await cutOff.close()
    await founder.close()
    const rss = mebibytes(process.memoryUsage().rss)
    const rows: [string, string, string][] = [
      [`${count(dependents)} dependents decided anew: ${name}`, ms(settledMs), accounts > 0 ? '2 s' : ''],
      ['taking the revocation in', ms(takenMs), ''],
      ['another writer before, p50 / p99', spread(calm), ''],
      ['another writer meanwhile, p50 / p99', spread(busy), ''],
      ['memory at the end', rss, ''],
    ]
    return rows.map(([what, ours, goal]) => ({ bench: 'review', what, ours, stock: '', goal }))
  })
}

function person(name: string, number: number, admin: boolean, actor: string) {
  const facts = { name, number, email: '', realname: '', comment: '', admin, passwordHash: '$argon2id$x' }
  return op('user.created', facts, actor)
}

async function administrator({ journal }: Member, name: string, actor: string): Promise<string> {
  const number = name.length * 100_000_000
  const { ids } = await journal.commit(AUTHORITY, () => [
    person(name, number + (actor === 'node' ? 0 : 1), true, actor),
  ])
  return ids[0] as string
}

async function carry(from: Member, to: Member): Promise<void> {
  for await (const page of everything(from)) await to.journal.take(page, from.identity.id)
}

/** What a member wrote after it stood there. */
async function* since({ journal }: Member, before: Readonly<Record<string, number>>) {
  const ranges = Object.entries(journal.frontier())
    .map(([feed, to]) => ({ feed, from: (before[feed] ?? 0) + 1, to }))
    .filter(({ from, to }) => from <= to)
  const page: Uint8Array[] = []
  for await (const block of journal.blocks(ranges)) page.push(block)
  yield page
}

/** Somebody writes a small op every 10 ms while `task` runs; what each waited. */
async function whileBusy(tags: TagWriter, name: string, task: () => Promise<void>): Promise<number[]> {
  const samples: number[] = []
  const over = new AbortController()
  const writing = (async () => {
    for (let n = 0; !over.signal.aborted; n++) {
      const startedAt = performance.now()
      await tags.put(`${name}-${n}`)
      samples.push(performance.now() - startedAt)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  })()
  await task()
  over.abort()
  await writing
  return samples
}

async function ineffective({ journal }: Member): Promise<number> {
  let rows = 0
  for await (const { row } of journal.tables.list('ineffective')) if (row.reason === 'revoked') rows += 1
  return rows
}
