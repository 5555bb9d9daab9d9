import { cp } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, feedId } from '../../../../src/journal/op.ts'
import {
  admit,
  everything,
  fleet,
  newIdentity,
  openSite,
  type Site,
  temporary,
  user,
  write,
} from './shipyard.ts'

/**
 * A member lets a newcomer in while the founder, apart from them, puts that member out as compromised: the
 * admission counts no more. A witness took in what the newcomer pushed before it heard of that.
 */
async function admittedByTheEvicted() {
  const { plan, founder, others } = await fleet(2)
  const [issuer, witness] = others as [Site, Site]
  const identity = newIdentity()
  await admit(issuer, identity.id, 'newcomer')
  const newcomer = await openSite(plan, { identity })
  await newcomer.journal.take(await everything(issuer), 'x')
  await newcomer.close()
  const backup = await temporary()
  await cp(newcomer.directory, backup, { recursive: true })
  const first = await openSite(plan, { identity, directory: newcomer.directory })
  await write(first, 3, 'newcomer')
  await witness.journal.take(await everything(first), 'x')
  await write(witness, 2, 'witness')
  const eviction = { node: issuer.identity.id, compromised: true, frontier: {}, reason: '' }
  await founder.journal.commit(AUTHORITY, () => [op('node.evicted', eviction, 'node')])
  await witness.journal.take(await everything(founder), 'x')
  await founder.journal.take(await everything(witness), 'x')
  await Promise.all([founder.journal.settled(), witness.journal.settled()])
  return { plan, founder, witness, first, identity, backup }
}

test('what a newcomer wrote is held by all or by nobody, though its admission counts no more', async () => {
  const { founder, witness, identity } = await admittedByTheEvicted()
  expect(founder.journal.tables.get('nodes', identity.id)).toBeUndefined()
  expect(founder.journal.status().refused).toEqual({})
  // What the witness pushed after it had seen that is not held up for ever.
  expect(founder.journal.frontier()[feedId(CATALOG, witness.identity.id)]).toBe(2)
  expect(founder.journal.position()).toEqual(witness.journal.position())
})

test('and that it has two histories is believed', async () => {
  const { plan, founder, witness, first, identity, backup } = await admittedByTheEvicted()
  const rival = await openSite(plan, { identity, directory: backup })
  await write(rival, 1, 'rival')
  await first.journal.take(rival.blocks, 'x')
  const [proof] = first.journal.quarantine.forks()
  for (const { journal } of [founder, witness]) {
    await journal.quarantine.takeProof([proof?.heldBlock, proof?.rivalBlock] as [Uint8Array, Uint8Array])
    await journal.quarantine.straighten()
    await journal.settled()
  }
  expect(founder.journal.frontier()[feedId(CATALOG, identity.id)]).toBeUndefined()
  expect(founder.journal.position()).toEqual(witness.journal.position())
})

test('a fork elsewhere takes nothing of it back', async () => {
  const { plan, founder, witness, identity } = await admittedByTheEvicted()
  const forker = newIdentity()
  await admit(founder, forker.id, 'forker')
  const [first, second] = [
    await openSite(plan, { identity: forker }),
    await openSite(plan, { identity: forker }),
  ]
  for (const [site, name] of [
    [first, 'one'],
    [second, 'other'],
  ] as const) {
    await site.journal.take(await everything(founder), 'x')
    await site.journal.commit(AUTHORITY, () => [user(name)])
  }
  for (const { journal } of [founder, witness]) {
    await journal.take(await everything(first), 'x')
    await journal.take(second.blocks, 'x')
    await journal.quarantine.straighten()
    await journal.settled()
    expect(journal.quarantine.forks()).toHaveLength(1)
    expect(journal.frontier()[feedId(CATALOG, identity.id)]).toBe(3)
  }
  expect(founder.journal.position()).toEqual(witness.journal.position())
})
