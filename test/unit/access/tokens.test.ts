import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { exportJWK, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ANONYMOUS, NODE_ITSELF, type Principal } from '../../../src/access/principal.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../src/journal/op.ts'
import { assemble, founded, PASSWORD, type TestNode, user } from '../../support/node.ts'
import { HandClock, type Site, Sites } from '../../support/sites.ts'

const clock = new HandClock()
const sites = new Sites(clock)
const ACCESS = [{ type: 'repository', name: 'library/app', actions: ['pull'] }]
let here: TestNode
let there: TestNode
let alice: Principal & { kind: 'user' }

beforeAll(async () => {
  here = await founded(sites)
  alice = { kind: 'user', id: (await user(here, 'alice')).id }
  there = assemble(await sites.admit(here.site), sites)
})
afterAll(() => sites.close())

async function token(node = here, principal: Principal = alice): Promise<string> {
  return (await node.issuer.issue(principal, ACCESS)).token
}

function payloadOf(text: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(text.split('.')[1] as string, 'base64url').toString()) as Record<
    string,
    unknown
  >
}

/** A token by the node's own key, with what the test wants different. */
async function forged(
  site: Site,
  change: { header?: Record<string, unknown>; claims?: Record<string, unknown> },
): Promise<string> {
  const claims = { ...payloadOf(await token()), ...change.claims }
  return new SignJWT(Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined)))
    .setProtectedHeader({ alg: 'EdDSA', kid: site.node, typ: 'JWT', ...change.header })
    .sign(site.key.privateKey)
}

const refused = (text: string, node = there) =>
  expect(node.tokens.verify(text)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })

test('a token made at one node tells every other node who bears it and for what', async () => {
  const bearer = await there.tokens.verify(await token())
  expect(bearer).toMatchObject({ principal: alice, access: ACCESS })
  expect(await there.tokens.verify(await token(here, ANONYMOUS))).toMatchObject({ principal: ANONYMOUS })
})

test('a token says what Harbor’s say, and lives half an hour', async () => {
  const { token: text, expiresInSeconds } = await here.issuer.issue(alice, ACCESS)
  const claims = payloadOf(text)
  expect(expiresInSeconds).toBe(1800)
  expect(claims).toMatchObject({
    iss: 'harbor-token-issuer',
    aud: ['harbor-registry'],
    sub: 'alice',
    cluster: here.site.cluster,
    user: { id: alice.id, epoch: 1 },
    access: ACCESS,
  })
  expect(claims['jti']).toMatch(/^.{16}$/)
  expect(Number(claims['exp']) - Number(claims['iat'])).toBe(1800)
})

test('the same claims by the node’s key are a token: what the next tests change is what is refused', async () => {
  await expect(there.tokens.verify(await forged(here.site, {}))).resolves.toMatchObject({ principal: alice })
})

test.each([
  ['another cluster', { cluster: 'f'.repeat(64) }],
  ['another issuer', { iss: 'somebody' }],
  ['another service', { aud: ['harbor-notary'] }],
  ['no end', { exp: undefined }],
  ['an end two days away', { exp: Math.floor(clock.now() / 1000) + 2 * 86_400 }],
  ['an end in the past', { exp: Math.floor(clock.now() / 1000) - 61 }],
  ['a beginning to come', { nbf: Math.floor(clock.now() / 1000) + 61 }],
  ['a user nobody knows', { user: { id: 'A'.repeat(22), epoch: 1 } }],
  ['access of another shape', { access: [{ type: 'repository', name: 'a/b', actions: ['*'], more: 1 }] }],
])('a token with %s is refused', async (_what, claims) => {
  await refused(await forged(here.site, { claims }))
})

test.each([
  ['a key in its header', async () => ({ jwk: await exportJWK(createPublicKey(here.site.key.privateKey)) })],
  ['a link to a key', async () => ({ jku: 'https://example.com/keys' })],
  ['a certificate', async () => ({ x5c: ['MIIB'] })],
  ['a link to a certificate', async () => ({ x5u: 'https://example.com/cert' })],
  ['another type', async () => ({ typ: 'at+jwt' })],
  ['a key id that walks', async () => ({ kid: '../nodes/x' })],
  ['a key id of no node', async () => ({ kid: 'a'.repeat(32) })],
])('a token with %s is refused', async (_what, header) => {
  await refused(await forged(here.site, { header: await header() }))
})

test('a token is refused that is not signed, or by a secret that is the public key, or by a stranger', async () => {
  const claims = payloadOf(await token())
  await refused(new UnsecuredJWT(claims).encode())
  const publicKey = Buffer.from(here.site.key.publicKey, 'base64url')
  const header = { kid: here.site.node, typ: 'JWT' }
  await refused(await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(publicKey))
  const stranger = generateKeyPairSync('ed25519').privateKey
  await refused(await new SignJWT(claims).setProtectedHeader({ ...header, alg: 'EdDSA' }).sign(stranger))
})

test('a token with one character changed anywhere is refused', async () => {
  const text = await token()
  for (let at = 0; at < text.length - 1; at += 17) {
    const other = text[at] === 'A' ? 'B' : 'A'
    if (text[at] !== '.') await refused(text.slice(0, at) + other + text.slice(at + 1))
  }
  await refused(text.slice(0, -8))
  await refused('')
  await refused('x'.repeat(20_000))
})

test('sixty seconds between two clocks are forgiven, and no more', async () => {
  const text = await token()
  await there.tokens.verify(text)
  clock.advance(1_859_000)
  await expect(there.tokens.verify(text)).resolves.toBeDefined()
  clock.advance(2000)
  // Its signature has been checked and remembered; its time is looked at all the same.
  await refused(text)
})

test('a token dies with the password it was made under, once the other node has heard', async () => {
  const bob = await user(here, 'bob')
  await there.site.learn(here.site)
  const text = await token(here, { kind: 'user', id: bob.id })
  await there.tokens.verify(text)
  await here.accounts.setPassword(bob.id, `${PASSWORD}2`, NODE_ITSELF)
  await refused(text, here)
  await there.site.learn(here.site)
  await refused(text)
})

test('a token dies with its user', async () => {
  const carol = await user(here, 'carol')
  await there.site.learn(here.site)
  const text = await token(here, { kind: 'user', id: carol.id })
  await there.tokens.verify(text)
  await here.accounts.delete(carol.id, NODE_ITSELF)
  await there.site.learn(here.site)
  await refused(text)
  await expect(here.issuer.issue({ kind: 'user', id: carol.id }, [])).rejects.toMatchObject({
    code: 'UNAUTHORIZED',
  })
})

test('an evicted node’s tokens are worth nothing, the ones from before too, and it makes no more', async () => {
  const guest = assemble(await sites.admit(here.site), sites)
  const text = await token(guest)
  await expect(here.tokens.verify(text)).resolves.toBeDefined()
  await here.site.commit(AUTHORITY, () => [
    op('node.evicted', { node: guest.site.node, compromised: false, frontier: null, reason: '' }, 'node'),
  ])
  await refused(text, here)
  await guest.site.learn(here.site)
  await expect(token(guest)).rejects.toMatchObject({ code: 'TOKENS_UNAVAILABLE' })
})
