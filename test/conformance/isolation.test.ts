import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Fault } from '../../src/errors.ts'
import type { Need, RegistryAccess } from '../../src/registry/access.ts'
import { OciClient, sha256 } from '../support/oci-client.ts'
import { openAccess, type ServerUnderTest, startRegistry } from '../support/registry.ts'

/** Each may do everything in the project of their own name, and read `public`; strangers are challenged. */
const asked: (readonly Need[])[] = []
const access: RegistryAccess = {
  authorize: async (request, needs) => {
    asked.push(needs)
    const { principal } = await openAccess.authorize(request, needs)
    if (principal === 'anonymous') {
      const challenge = `Bearer realm="${request.scheme}://${request.host}/service/token",service="x"`
      throw new Fault('UNAUTHORIZED', 'authentication required', { challenge })
    }
    const mayPull = (name: string) => name.startsWith(`${principal}/`) || name.startsWith('public/')
    for (const need of needs) {
      if (!('repository' in need)) continue
      const own = need.repository.startsWith(`${principal}/`)
      if (!own && !(need.action === 'pull' && mayPull(need.repository))) {
        throw new Fault('DENIED', 'not yours', { repository: need.repository })
      }
    }
    return { principal, mayPull }
  },
}

let server: ServerUnderTest
let alice: OciClient
let bob: OciClient
let stranger: OciClient

beforeAll(async () => {
  server = await startRegistry({ access, projects: ['alice', 'bob', 'public'] })
  alice = new OciClient(server.url, 'alice')
  bob = new OciClient(server.url, 'bob')
  stranger = new OciClient(server.url)
})
afterAll(async () => {
  for (const client of [alice, bob, stranger]) client.close()
  await server.close()
})

describe('a stranger', () => {
  it.each(['/v2/', '/v2/alice/app/manifests/latest', '/v2/_catalog'])(
    'at %s is told where to log in',
    async (path) => {
      const got = await stranger.send('GET', path)
      expect(got.status).toBe(401)
      expect(got.errorCode()).toBe('UNAUTHORIZED')
      expect(got.headers['www-authenticate']).toBe(`Bearer realm="${server.url}/service/token",service="x"`)
      expect(got.headers['docker-distribution-api-version']).toBe('registry/2.0')
      expect(got.body.toString()).not.toContain('realm')
    },
  )

  it('who wants to mount is challenged for the source as well', async () => {
    await stranger.send('POST', `/v2/alice/app/blobs/uploads/?mount=${sha256('x')}&from=bob/app`)
    expect(asked.at(-1)).toEqual([
      { repository: 'alice/app', action: 'push' },
      { repository: 'bob/app', action: 'pull' },
    ])
  })
})

describe('what a request needs', () => {
  it.each([
    ['GET', 'manifests/latest', 'pull'],
    ['HEAD', 'manifests/latest', 'pull'],
    ['PUT', 'manifests/latest', 'push'],
    ['DELETE', 'manifests/latest', 'delete'],
    ['GET', `blobs/${sha256('x')}`, 'pull'],
    ['HEAD', `blobs/${sha256('x')}`, 'pull'],
    ['DELETE', `blobs/${sha256('x')}`, 'delete'],
    ['POST', 'blobs/uploads/', 'push'],
    ['GET', 'blobs/uploads/x', 'push'],
    ['PATCH', 'blobs/uploads/x', 'push'],
    ['PUT', 'blobs/uploads/x', 'push'],
    ['DELETE', 'blobs/uploads/x', 'push'],
    ['GET', 'tags/list', 'pull'],
    ['GET', `referrers/${sha256('x')}`, 'pull'],
  ])('to %s %s is to %s, and nobody else gets through', async (method, rest, action) => {
    const got = await bob.send(method, `/v2/alice/app/${rest}`)
    expect(got.status).toBe(403)
    expect(asked.at(-1)).toEqual([{ repository: 'alice/app', action }])
  })
})

describe('another’s blob', () => {
  const bytes = randomBytes(200)
  const digest = sha256(bytes)
  beforeAll(async () => {
    expect((await alice.pushBlob('alice/secret', bytes)).status).toBe(201)
  })

  it('is not read through a repository of one’s own, though its bytes are on this node', async () => {
    for (const method of ['GET', 'HEAD']) {
      expect((await bob.send(method, `/v2/bob/app/blobs/${digest}`)).status).toBe(404)
    }
    const image = {
      ...(await bob.image('bob/app')),
      layers: [{ mediaType: 'application/x', digest, size: 200 }],
    }
    expect((await bob.pushManifest('bob/app', 'steal', image)).errorCode()).toBe('MANIFEST_BLOB_UNKNOWN')
  })

  it.each(['&from=alice/secret', ''])('is not mounted by knowing its digest (%s)', async (from) => {
    const got = await bob.send('POST', `/v2/bob/app/blobs/uploads/?mount=${digest}${from}`)
    expect(got.status).toBe(202)
    expect((await bob.send('HEAD', `/v2/bob/app/blobs/${digest}`)).status).toBe(404)
  })

  it('is mounted by who may read it', async () => {
    const got = await alice.send('POST', `/v2/alice/copy/blobs/uploads/?mount=${digest}`)
    expect(got.status).toBe(201)
  })

  it('is not a manifest, and a manifest is not a blob', async () => {
    expect((await alice.send('GET', `/v2/alice/secret/manifests/${digest}`)).status).toBe(404)
    const text = JSON.stringify(await alice.image('alice/app'))
    await alice.pushManifest('alice/app', 'v1', text)
    expect((await alice.send('GET', `/v2/alice/app/blobs/${sha256(text)}`)).status).toBe(404)
    expect((await alice.send('GET', `/v2/alice/secret/manifests/${sha256(text)}`)).status).toBe(404)
  })
})

describe('another’s upload', () => {
  it('is unknown, also to one who may push to the same repository', async () => {
    const location = await alice.startUpload('alice/app')
    // Bob with rights to push there, as the registry below the door sees it.
    const owner = { principal: 'bob', repository: 'alice/app' as never }
    const id = location.split('/').at(-1) ?? ''
    await expect(server.registry.uploads.find(owner, id)).rejects.toMatchObject({ code: 'UPLOAD_UNKNOWN' })
    await expect(server.registry.uploads.cancel(owner, id)).rejects.toMatchObject({ code: 'UPLOAD_UNKNOWN' })
    const ownProject = await bob.send('GET', `/v2/bob/app/blobs/uploads/${id}`)
    expect(ownProject.status).toBe(404)
    expect(ownProject.errorCode()).toBe('BLOB_UPLOAD_UNKNOWN')
  })

  it('is bound to its repository', async () => {
    const location = await alice.startUpload('alice/app')
    const elsewhere = location.replace('alice/app', 'alice/other')
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const got = await alice.send(method, `${elsewhere}?digest=${sha256('x')}`)
      expect(got.status).toBe(404)
    }
    expect((await alice.send('GET', location)).status).toBe(204)
  })
})
