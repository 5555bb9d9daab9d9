import { cp } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { AUTHORITY, CATALOG } from '../../../../src/journal/op.ts'
import {
  admit,
  everything,
  fleet,
  newIdentity,
  openSite,
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
