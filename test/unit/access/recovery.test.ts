import { expect, test } from 'vitest'
import { Accounts } from '../../../src/access/accounts.ts'
import { Passwords } from '../../../src/access/passwords.ts'
import { NODE_ITSELF } from '../../../src/access/principal.ts'
import { type Challenge, Recovery } from '../../../src/access/recovery.ts'
import { clusterIdOf, foundingOps, recoveryMessage, writeGenesis } from '../../../src/journal/genesis.ts'
import { AUTHORITY } from '../../../src/journal/op.ts'
import { systemRandom as random } from '../../../src/runtime/random.ts'
import { newRecoveryKey, signWithRecoveryKey } from '../../../src/runtime/recovery-key.ts'
import { factsOf, newIdentity, openSite } from '../cluster/ledger/shipyard.ts'

async function cluster() {
  const key = newRecoveryKey(random)
  const founder = newIdentity()
  const facts = { name: 'test', founder: founder.id, nonce: random.bytes(32), time: 1 }
  const genesis = writeGenesis({ ...facts, recovery: key.publicKey })
  const { journal } = await openSite(
    { founder, genesis, clusterId: clusterIdOf(genesis) },
    { identity: founder },
  )
  await journal.commit(AUTHORITY, () => foundingOps(genesis, founder.id, factsOf('founder')))
  const passwords = new Passwords({ random })
  const accounts = new Accounts({ journal, passwords, random })
  const ada = await accounts.create({ name: 'ada', password: 'Geheim1234', admin: true }, NODE_ITSELF)
  const bob = await accounts.create({ name: 'bob', password: 'Geheim1234', admin: true }, NODE_ITSELF)
  const epochOf = (id: string) => journal.tables.get('users', id)?.password.epoch as number
  const recovery = new Recovery({ journal, passwords })
  const recover = (challenge: Challenge, text: string) =>
    recovery.recover(challenge, signWithRecoveryKey(text, recoveryMessage(challenge)), NODE_ITSELF)
  return { key, accounts, ada, bob, epochOf, recovery, recover }
}

test('the recovery key gives a right back that was taken away, and ends all administrators’ sessions', async () => {
  const { key, accounts, ada, bob, epochOf, recovery, recover } = await cluster()
  await accounts.setAdmin(ada.id, false, NODE_ITSELF)
  expect(accounts.byId(ada.id)?.admin).toBe(false)
  const before = epochOf(bob.id)
  await recover(await recovery.challenge('ada', 'Wieder1234'), key.text)
  expect(accounts.byId(ada.id)?.admin).toBe(true)
  expect(epochOf(bob.id)).toBe(before + 1)
})

test('any other key, and a signature of anything else, is refused and changes nothing', async () => {
  const { key, accounts, ada, bob, epochOf, recovery, recover } = await cluster()
  await accounts.setAdmin(ada.id, false, NODE_ITSELF)
  const challenge = await recovery.challenge('ada', 'Wieder1234')
  const refused = { code: 'RECOVERY_REFUSED' }
  await expect(recover(challenge, newRecoveryKey(random).text)).rejects.toMatchObject(refused)
  const signature = signWithRecoveryKey(key.text, recoveryMessage(challenge))
  for (const other of [{ user: bob.id }, { epoch: 9 }, { passwordHash: '$argon2id$other' }])
    await expect(recovery.recover({ ...challenge, ...other }, signature, NODE_ITSELF)).rejects.toMatchObject(
      refused,
    )
  expect([accounts.byId(ada.id)?.admin, epochOf(bob.id)]).toEqual([false, 1])
  await expect(recovery.challenge('nobody', 'Wieder1234')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('a recovery key that was copied wrongly is noticed before it is used', () => {
  const { text } = newRecoveryKey(random)
  const message = new Uint8Array(1)
  const malformed = expect.objectContaining({ code: 'RECOVERY_KEY_MALFORMED' })
  expect(signWithRecoveryKey(` ${text.toUpperCase()}\n`, message)).toEqual(signWithRecoveryKey(text, message))
  for (const wrong of [
    '',
    'flotilla1_abc',
    text.slice(0, -1),
    `${text}a`,
    text.replace(/_(.)/, (_, c) => `_${c === 'a' ? 'b' : 'a'}`),
  ])
    expect(() => signWithRecoveryKey(wrong, message)).toThrow(malformed)
})
