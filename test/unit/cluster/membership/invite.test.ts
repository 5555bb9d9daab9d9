import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Invite, readInvite, writeInvite } from '../../../../cluster/membership/invite.ts'
import { inviteKey, isProof, proofOf, verifierOf } from '../../../../cluster/membership/invite-keys.ts'
import { fromBase32, toBase32 } from '../../../../src/runtime/base32.ts'
import { CLUSTER, newIdentity } from '../network/cast.ts'

async function invite(given: Partial<Invite> = {}): Promise<Invite> {
  const { id } = await newIdentity()
  return {
    inviteId: randomBytes(8).toString('hex'),
    clusterId: CLUSTER,
    inviter: id,
    addresses: [`/ip4/192.0.2.7/tcp/4001/p2p/${id}`, `/dns4/a.example/tcp/4001/p2p/${id}`],
    expiresAt: 2_000,
    secret: new Uint8Array(randomBytes(16)),
    ...given,
  }
}

test('any bytes survive base32, and are spelled as RFC 4648 spells them', () => {
  expect(toBase32(Buffer.from('foobar'))).toBe('mzxw6ytboi')
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      expect(fromBase32(toBase32(bytes))).toEqual(bytes)
      expect(fromBase32(toBase32(bytes).toUpperCase())).toEqual(bytes)
    }),
  )
  expect(fromBase32('mzxw6ytb1')).toBeUndefined()
})

test('an invite reads as it was written, with spaces around it and in capitals too', async () => {
  const written = await invite()
  const text = writeInvite(written)
  expect(text).toMatch(/^flotilla1_[a-z2-7]+$/)
  expect(text.length).toBeLessThan(400)
  for (const variant of [text, ` ${text}\n`, text.toUpperCase()])
    expect(readInvite(variant, { now: 1_999 })).toEqual(written)
})

test('an invite holds eight addresses at most and still fits a line of a terminal', async () => {
  const { id } = await newIdentity()
  const addresses = Array.from({ length: 12 }, (_, n) => `/ip6/2001:db8::${n + 1}/tcp/4001/p2p/${id}`)
  const text = writeInvite(await invite({ inviter: id, addresses }))
  expect(readInvite(text, { now: 0 }).addresses).toEqual(addresses.slice(0, 8))
  expect(text.length).toBeLessThan(700)
})

test('one changed, lost or swapped character is noticed, wherever it is', async () => {
  const text = writeInvite(await invite())
  for (let at = 10; at < text.length; at++) {
    const other = text[at] === 'a' ? 'b' : 'a'
    for (const damaged of [
      text.slice(0, at) + other + text.slice(at + 1),
      text.slice(0, at) + text.slice(at + 1),
    ])
      expect(() => readInvite(damaged, { now: 0 })).toThrow(
        expect.objectContaining({ code: 'INVITE_MALFORMED' }),
      )
  }
})

test('what is no invite is refused by name, however long', () => {
  const texts = [
    '',
    'flotilla1_',
    'SWMTKN-1-abc',
    `flotilla1_${'a'.repeat(50)}`,
    `flotilla1_${'a'.repeat(1_000_000)}`,
  ]
  for (const text of texts)
    expect(() => readInvite(text, { now: 0 })).toThrow(expect.objectContaining({ code: 'INVITE_MALFORMED' }))
})

test('an expired invite and one for another cluster are told apart', async () => {
  const text = writeInvite(await invite())
  expect(() => readInvite(text, { now: 2_000 })).toThrow(expect.objectContaining({ code: 'INVITE_EXPIRED' }))
  expect(() => readInvite(text, { now: 0, clusterId: 'd'.repeat(64) })).toThrow(
    expect.objectContaining({ code: 'INVITE_OTHER_CLUSTER' }),
  )
})

test('the keys made of one secret differ from each other, from another invite’s, and from the secret', () => {
  const secret = randomBytes(16)
  const keys = ['i1', 'i2'].flatMap((id) => [
    Buffer.from(inviteKey(secret, id)).toString('hex'),
    verifierOf(secret, id),
    Buffer.from(proofOf(secret, id, { clusterId: 'c', inviter: 'a', joiner: 'b' })).toString('hex'),
  ])
  expect(new Set(keys).size).toBe(6)
  for (const key of keys) {
    expect(key).toHaveLength(64)
    expect(key).not.toContain(secret.toString('hex'))
  }
})

test('a proof holds for this cluster, inviter and joiner only', () => {
  const secret = randomBytes(16)
  const claim = { clusterId: 'c', inviter: 'a', joiner: 'b' }
  const proof = proofOf(secret, 'i1', claim)
  expect(isProof(proof, secret, 'i1', claim)).toBe(true)
  for (const other of [{ clusterId: 'x' }, { inviter: 'x' }, { joiner: 'x' }, { inviter: 'b', joiner: 'a' }])
    expect(isProof(proof, secret, 'i1', { ...claim, ...other })).toBe(false)
  expect(isProof(proof, randomBytes(16), 'i1', claim)).toBe(false)
  expect(isProof(proof.subarray(1), secret, 'i1', claim)).toBe(false)
})
