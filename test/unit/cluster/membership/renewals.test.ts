import { expect, onTestFinished, test } from 'vitest'
import { RENEWAL_CHECK_MS } from '../../../../cluster/limits.ts'
import { DAY_MS } from '../../../../cluster/membership/admission-ledger.ts'
import { noticesOf } from '../../../../cluster/membership/notices.ts'
import { Renewals } from '../../../../cluster/membership/renewals.ts'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../../src/journal/op.ts'
import { factsOf, foundSite, newCluster, newIdentity } from '../ledger/shipyard.ts'
import { runtime } from '../network/cast.ts'

/** A founder, and an edge that it admitted for thirty days; a test moves the clock. */
async function thirtyDays() {
  const site = await foundSite(newCluster())
  const time = { ahead: 0, rounds: 0 }
  const clock = { ...runtime.clock, now: () => runtime.clock.now() + time.ahead }
  const node = newIdentity().id
  const begun = clock.now()
  const invite = 'invite-1'
  const terms = { role: 'edge', scope: null, approval: false, days: 30 } as const
  await site.journal.commit(AUTHORITY, () => [
    op('invite.created', { invite, verifier: 'v', expiresAt: 1, ...terms }, 'node'),
  ])
  const facts = { ...factsOf('edge'), addresses: [], swarm: [] }
  await site.journal.commit(AUTHORITY, () => [
    op('node.admitted', { node, facts, invite, notAfter: begun + 30 * DAY_MS }, 'node'),
  ])
  const roster = new TableRoster(site.journal, { ...runtime, clock })
  await roster.start()
  onTestFinished(() => roster.stop())
  const connected: string[] = []
  const renew = async () => {
    // A thousand times as fast; the rest between two rounds is counted.
    const sleep = (ms: number, signal?: AbortSignal) => {
      if (ms >= RENEWAL_CHECK_MS / 2) time.rounds++
      return runtime.timers.sleep(ms / 1000, signal)
    }
    const timers = { ...runtime.timers, sleep }
    const network = { connected: () => connected }
    const renewals = new Renewals({ ...runtime, journal: site.journal, roster, network, clock, timers })
    await renewals.start()
    onTestFinished(() => renewals.stop())
    return renewals
  }
  return { site, time, node, begun, roster, connected, renew }
}

/** Whatever was due has been done. */
async function anotherRound(time: { rounds: number }): Promise<void> {
  const before = time.rounds
  await expect.poll(() => time.rounds).toBeGreaterThan(before + 1)
}

test('a member in the last third of its term is renewed while an anchor sees it, once', async () => {
  const { site, time, node, begun, roster, connected, renew } = await thirtyDays()
  connected.push(node)
  time.ahead = 19 * DAY_MS
  const renewals = await renew()
  const feed = `authority@${site.identity.id}`
  const entries = site.journal.frontier()[feed]
  await anotherRound(time)
  expect(site.journal.frontier()[feed]).toBe(entries)
  time.ahead = 21 * DAY_MS
  await expect.poll(() => roster.get(node)?.notAfter ?? 0).toBeGreaterThanOrEqual(begun + 51 * DAY_MS)
  await anotherRound(time)
  expect(site.journal.frontier()[feed]).toBe((entries ?? 0) + 1)
  await renewals.stop()
})

test('one that no anchor sees is let in no more when its term is over, and everybody is told', async () => {
  const { time, node, begun, roster, renew } = await thirtyDays()
  time.ahead = 29 * DAY_MS
  await renew()
  await anotherRound(time)
  expect(roster.isMember(node)).toBe(true)
  time.ahead = 30 * DAY_MS + 1
  expect(roster.isMember(node)).toBe(false)
  expect(roster.get(node)?.state).toBe('member')
  const [notice] = noticesOf({
    self: roster.get(node),
    members: roster.members(),
    now: begun + 31 * DAY_MS,
    refusedBy: [],
    hungUpBy: [],
    heldEvicted: [],
    connected: 0,
    forked: [],
    writable: true,
    laggingMs: null,
    lagMsMax: 1,
  })
  expect(notice).toMatch(/membership of this node ended .*flotilla join INVITE/)
})

test('the end of a term is told when it comes, without anybody writing anything', async () => {
  const { site, node } = await thirtyDays()
  const row = site.journal.tables.get('nodes', node)
  const clock = { ...runtime.clock, now: () => (row?.notAfter ?? 0) - 200 + performance.now() - startedAt }
  const startedAt = performance.now()
  const roster = new TableRoster(site.journal, { ...runtime, clock })
  await roster.start()
  onTestFinished(() => roster.stop())
  let told = 0
  roster.onChange(() => told++)
  await expect.poll(() => told).toBe(1)
  expect(roster.isMember(node)).toBe(false)
})
