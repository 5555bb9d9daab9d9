import { cp } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { orbitFormat } from '../../../../cluster/ledger/orbit-format.ts'
import type { Identity } from '../../../../cluster/network/identity.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, type Entry, feedId, type NewOp } from '../../../../src/journal/op.ts'
import {
  admit,
  everything,
  factsOf,
  fleet,
  forge,
  newIdentity,
  openSite,
  type Plan,
  type Site,
  tag,
  temporary,
  user,
  write,
} from './shipyard.ts'

/**
 * A member lets a newcomer in, which pushes; another takes all of it in and goes on from there. Then it turns out
 * that the member, set back to before, had signed something else in that place.
 */
async function admittedBehindAFork() {
  const { plan, founder, others } = await fleet(2)
  const [issuer, witness] = others as [Site, Site]
  await issuer.journal.commit(AUTHORITY, () => [user('before')])
  await issuer.close()
  const backup = await temporary()
  await cp(issuer.directory, backup, { recursive: true })
  const first = await openSite(plan, { identity: issuer.identity, directory: issuer.directory })
  const identity = newIdentity()
  await admit(first, identity.id, 'newcomer')
  const newcomer = await openSite(plan, { identity })
  await newcomer.journal.take(await everything(first), 'x')
  await write(newcomer, 3, 'newcomer')
  await newcomer.journal.commit(AUTHORITY, () => [user('guest')])
  await witness.journal.take(await everything(newcomer), 'x')
  await write(witness, 2, 'witness')
  const second = await openSite(plan, { identity: issuer.identity, directory: backup })
  await second.journal.commit(AUTHORITY, () => [user('rival')])
  const feed = `${CATALOG}@${identity.id}`
  return { founder, witness, newcomer, first, second, feed }
}

test('whoever was let in behind a fork is in no more, and nobody who had seen its entries is held up by that', async () => {
  const { founder, witness, newcomer, first, second, feed } = await admittedBehindAFork()
  expect(witness.journal.frontier()[feed]).toBe(3)
  await witness.journal.take(second.blocks, 'x')
  await witness.journal.quarantine.straighten()
  const kept = Object.keys(witness.journal.frontier())
  expect(kept.filter((one) => one.endsWith(newcomer.identity.id))).toEqual([])
  expect(witness.journal.tables.get('nodes', newcomer.identity.id)).toBeUndefined()
  // The founder was away all the time: of what the witness saw it can get nothing any more.
  await founder.journal.take(await everything(second), 'x')
  await founder.journal.take(first.blocks, 'x')
  await founder.journal.quarantine.straighten()
  await founder.journal.take(await everything(witness), 'x')
  await founder.journal.settled()
  await witness.journal.settled()
  expect(founder.journal.position()).toEqual(witness.journal.position())
  await write(witness, 1, 'later')
  await founder.journal.take(witness.blocks.slice(-1), 'x')
  expect(founder.journal.position()).toEqual(witness.journal.position())
})

test('it is told that nobody takes what it writes, and why', async () => {
  const { newcomer, second } = await admittedBehindAFork()
  await newcomer.journal.take(second.blocks, 'x')
  await newcomer.journal.quarantine.straighten()
  expect(newcomer.journal.status()).toMatchObject({ writable: false })
  await expect(newcomer.journal.commit(CATALOG, () => [tag('lost')])).rejects.toMatchObject({
    code: 'JOURNAL_READ_ONLY',
    message: expect.stringContaining('let it join anew'),
  })
})

test('an entry found fit just before its fork is proven is taken back as well', async () => {
  const { founder, witness, first, second } = await admittedBehindAFork()
  const { quarantine } = founder.journal
  const straightened: Promise<void>[] = []
  quarantine.onFork(() => straightened.push(quarantine.straighten()))
  await first.journal.take(second.blocks, 'x')
  const [proof] = first.journal.quarantine.forks()
  const rivals = [proof?.heldBlock, proof?.rivalBlock] as [Uint8Array, Uint8Array]
  const taken = founder.journal.take(await everything(witness), 'x')
  await quarantine.takeProof(rivals)
  await taken
  await Promise.all(straightened)
  expect(quarantine.astray()).toEqual([])
})

/** Writes of a member in its authority feed that say of what it has seen whatever they like. */
class Pen {
  readonly feed: string
  readonly #plan: Plan
  readonly #identity: Identity
  #last: string | undefined
  #seq = 0

  constructor(plan: Plan, identity: Identity) {
    this.feed = feedId(AUTHORITY, identity.id)
    this.#plan = plan
    this.#identity = identity
  }

  async write(ops: readonly NewOp[], seen: Entry['seen'], depth: number): Promise<Uint8Array> {
    const { clusterId: cluster } = this.#plan
    const place = {
      format: 1,
      cluster,
      lane: AUTHORITY,
      author: this.#identity.id,
      seq: ++this.#seq,
    } as const
    const entry: Entry = { ...place, depth, time: 0, seen, ops: ops.map((one) => ({ ...one, version: 1 })) }
    const bytes = await forge(this.#plan, this.#identity, entry, { next: this.#last ? [this.#last] : [] })
    this.#last = (await orbitFormat(this.#identity).read(bytes, cluster)).hash
    return bytes
  }
}

function letIn(node: string): NewOp[] {
  const terms = { role: 'anchor', scope: null, approval: false, days: null } as const
  const facts = { ...factsOf('late'), addresses: [], swarm: [] }
  return [
    op('invite.created', { invite: 'invite-late', verifier: 'v', expiresAt: 1, ...terms }, 'node'),
    op('node.admitted', { node, facts, invite: 'invite-late', notAfter: null }, 'node'),
  ]
}

test('whoever claims not to have seen its own admission, and whom that one let in, stay when a fork of another is taken back', async () => {
  const { plan, founder, others } = await fleet(2)
  const [forker, witness] = others as [Site, Site]
  await forker.close()
  const backup = await temporary()
  await cp(forker.directory, backup, { recursive: true })
  const first = await openSite(plan, { identity: forker.identity, directory: forker.directory })
  await first.journal.commit(AUTHORITY, () => [user('first')])
  const second = await openSite(plan, { identity: forker.identity, directory: backup })
  await second.journal.commit(AUTHORITY, () => [user('second')])

  const [early, late] = [newIdentity(), newIdentity()]
  await admit(founder, early.id, 'early')
  const known = feedId(AUTHORITY, founder.identity.id)
  const [earlyPen, latePen] = [new Pen(plan, early), new Pen(plan, late)]
  // As deep as the genesis: told in order of depth, all this comes before the admissions.
  const blocks = [
    await earlyPen.write([user('early')], {}, 1),
    await earlyPen.write(letIn(late.id), { [earlyPen.feed]: 1, [known]: 4 }, 5),
    await latePen.write([user('late')], { [known]: 1 }, 2),
  ]
  await witness.journal.take(await everything(founder), 'x')
  await witness.journal.take(await everything(first), 'x')
  await witness.journal.take(blocks, 'x')
  await witness.journal.commit(AUTHORITY, () => [user('witness')])
  const before = witness.journal.frontier()
  expect(before).toMatchObject({ [earlyPen.feed]: 2, [latePen.feed]: 1 })

  await witness.journal.take(second.blocks, 'x')
  await witness.journal.quarantine.straighten()
  const { [feedId(AUTHORITY, forker.identity.id)]: forked, ...rest } = before
  expect(forked).toBe(1)
  expect(witness.journal.frontier()).toEqual(rest)
  // Who learns of the fork before anything of the others comes to the same.
  await founder.journal.take(await everything(first), 'x')
  await founder.journal.take(second.blocks, 'x')
  await founder.journal.quarantine.straighten()
  for (const _ of ['who lets them in', 'what they wrote'])
    await founder.journal.take(await everything(witness), 'x')
  await Promise.all([founder.journal.settled(), witness.journal.settled()])
  expect(founder.journal.position()).toEqual(witness.journal.position())
  expect(await witness.journal.mendTables()).toBe(0)
})
