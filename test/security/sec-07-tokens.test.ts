import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { exportJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE_ITSELF } from '../../src/access/principal.ts'
import { registryRoutes } from '../../src/http/oci/routes.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY } from '../../src/journal/op.ts'
import { createRegistry } from '../../src/registry/registry.ts'
import {
  assemble,
  type Client,
  founded,
  originAndReplica,
  serve,
  type TestNode,
  user,
} from '../support/node.ts'
import { HandClock, Sites } from '../support/sites.ts'

/** CVE-2025-24976 and CVE-2023-27584: a token that says itself whom to believe, and a key everybody has. */
const sites = new Sites(new HandClock())
const places = new Map<string, { node: TestNode; client: Client }>()
let origin: TestNode
beforeAll(async () => {
  const both = await originAndReplica(sites, async (node) => {
    const owner = await user(node, 'owner')
    await node.projects.create({ name: 'closed' }, owner.id, NODE_ITSELF)
  })
  origin = both.origin
  for (const [name, node] of Object.entries(both)) {
    const parts = { journal: node.site, blobs: undefined, uploads: undefined, source: undefined } as never
    const registry = registryRoutes({ registry: createRegistry(parts), access: node.door })
    places.set(name, { node, client: await serve(sites, node, [registry]) })
  }
})
afterAll(() => sites.close())

const ACCESS = [{ type: 'repository', name: 'closed/app', actions: ['pull', 'push', 'delete'] }]

async function fetched(from: TestNode): Promise<string> {
  const id = from.accounts.byName('owner')?.id as string
  return (await from.issuer.issue({ kind: 'user', id }, ACCESS)).token
}

/** 404: let in, and there is no such repository. 401: not. */
async function tried(place: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` }
  const { client } = places.get(place) as { client: Client }
  const answer = await client.send('GET', '/v2/closed/app/tags/list', { headers })
  return answer.status
}

const decoded = (token: string, part: number) =>
  JSON.parse(Buffer.from(token.split('.')[part] as string, 'base64url').toString()) as Record<string, unknown>
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe.each(['origin', 'replica'])('sec-7 on the %s', (place) => {
  test('a token from either node opens it: what follows is refused for its own reason', async () => {
    for (const { node } of places.values()) expect(await tried(place, await fetched(node))).toBe(404)
  })

  test('alg none, in any spelling', async () => {
    const [, payload, signature] = (await fetched(origin)).split('.')
    for (const alg of ['none', 'None', 'NONE', '', null]) {
      const header = encoded({ alg, kid: origin.site.node, typ: 'JWT' })
      expect(await tried(place, `${header}.${payload}.`)).toBe(401)
      expect(await tried(place, `${header}.${payload}.${signature}`)).toBe(401)
    }
  })

  test('HS256 with the public key as the secret, in every form the key is published in', async () => {
    const publicKey = createPublicKey(origin.site.key.privateKey)
    const forms = [
      Buffer.from(origin.site.key.publicKey),
      Buffer.from(origin.site.key.publicKey, 'base64url'),
      Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })),
      publicKey.export({ type: 'spki', format: 'der' }),
    ]
    for (const secret of forms) {
      const token = await new SignJWT(decoded(await fetched(origin), 1))
        .setProtectedHeader({ alg: 'HS256', kid: origin.site.node, typ: 'JWT' })
        .sign(secret)
      expect(await tried(place, token)).toBe(401)
    }
  })

  test('a key in the header, or a way to one', async () => {
    const mine = generateKeyPairSync('ed25519')
    const jwk = await exportJWK(mine.publicKey)
    const headers = [
      { jwk },
      { jwk, kid: 'mine' },
      { jku: 'http://127.0.0.1/keys' },
      { x5u: 'http://127.0.0.1/cert' },
      { x5c: ['MIIBszCCAVmgAwIBAgIU'] },
      { crit: ['exp'], jwk },
    ]
    for (const header of headers) {
      const all = { alg: 'EdDSA', kid: origin.site.node, typ: 'JWT', ...header }
      const text = `${encoded(all)}.${(await fetched(origin)).split('.')[1]}`
      // Signed by the key it brings along, and by the real one.
      for (const key of [mine.privateKey, origin.site.key.privateKey]) {
        const token = `${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`
        expect(await tried(place, token)).toBe(401)
      }
    }
  })

  test('a key id that walks somewhere else', async () => {
    const ids = [
      '../../token.key',
      '/dev/null',
      `${origin.site.node}/../x`,
      `${origin.site.node}\u0000`,
      '',
      '__proto__',
      'constructor',
      "' OR 1=1 --",
    ]
    for (const kid of ids) {
      const token = await new SignJWT(decoded(await fetched(origin), 1))
        .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'JWT' })
        .sign(origin.site.key.privateKey)
      expect(await tried(place, token)).toBe(401)
    }
  })

  test('one that asks for more than it was signed for', async () => {
    const [header, , signature] = (await fetched(origin)).split('.')
    const claims = decoded(await fetched(origin), 1)
    expect(await tried(place, `${header}.${encoded({ ...claims, sub: 'admin' })}.${signature}`)).toBe(401)
  })

  test('one of another cluster, whose nodes are nobody here', async () => {
    const elsewhere = await founded(sites)
    await user(elsewhere, 'owner')
    expect(await tried(place, await fetched(elsewhere))).toBe(401)
    // Nor does it help to name a node of ours.
    const token = await new SignJWT({ ...decoded(await fetched(origin), 1) })
      .setProtectedHeader({ alg: 'EdDSA', kid: origin.site.node, typ: 'JWT' })
      .sign(elsewhere.site.key.privateKey)
    expect(await tried(place, token)).toBe(401)
  })
})

test('sec-7: with a node’s eviction its tokens end at every node that has heard, used before or not', async () => {
  const thief = await sites.admit(origin.site)
  const { node: replica } = places.get('replica') as { node: TestNode }
  await replica.site.learn(origin.site)
  const stolen = assemble(thief, sites)
  const tokens = [await fetched(stolen), await fetched(stolen)]
  for (const place of places.keys()) expect(await tried(place, tokens[0] as string)).toBe(404)
  await origin.site.commit(AUTHORITY, () => [
    op('node.evicted', { node: thief.node, compromised: false, frontier: null, reason: '' }, 'node'),
  ])
  for (const token of tokens) expect(await tried('origin', token)).toBe(401)
  await replica.site.learn(origin.site)
  for (const token of tokens) expect(await tried('replica', token)).toBe(401)
})
