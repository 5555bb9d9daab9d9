import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { descriptor, indexOf, OciClient, sha256, sha512 } from '../support/oci-client.ts'
import { type ServerUnderTest, startRegistry } from '../support/registry.ts'

let server: ServerUnderTest
let client: OciClient

beforeAll(async () => {
  server = await startRegistry()
  client = new OciClient(server.url, 'alice')
})
afterAll(async () => {
  client.close()
  await server.close()
})

const at = (repository: string, reference: string) => `/v2/${repository}/manifests/${reference}`

describe('a manifest', () => {
  it('nobody pushed is 404 by tag and by digest', async () => {
    for (const reference of ['latest', sha256('nobody'), sha512('nobody')]) {
      const got = await client.send('GET', at('team/none', reference))
      expect(got.status).toBe(404)
      expect(got.errorCode()).toBe('MANIFEST_UNKNOWN')
      expect((await client.send('HEAD', at('team/none', reference))).status).toBe(404)
      expect((await client.send('DELETE', at('team/none', reference))).status).toBe(404)
    }
  })

  it('pushed by tag is served by tag and by digest, byte for byte', async () => {
    const text = `${JSON.stringify({ custom: { kept: [1, 2] }, ...(await client.image('team/app')) }, null, 3)}\n`
    const pushed = await client.pushManifest('team/app', 'v1', text)
    const digest = sha256(text)
    expect(pushed.status).toBe(201)
    expect(pushed.headers.location).toBe(at('team/app', digest))
    expect(pushed.headers['docker-content-digest']).toBe(digest)
    expect(pushed.headers['oci-subject']).toBeUndefined()
    for (const reference of ['v1', digest]) {
      const got = await client.send('GET', at('team/app', reference))
      expect(got.status).toBe(200)
      expect(got.headers['content-type']).toBe(OCI_MANIFEST)
      expect(got.headers['content-length']).toBe(String(text.length))
      expect(got.headers['docker-content-digest']).toBe(digest)
      expect(got.body.toString()).toBe(text)
      const head = await client.send('HEAD', at('team/app', reference))
      expect(head.status).toBe(200)
      expect(head.headers['content-type']).toBe(OCI_MANIFEST)
      expect(head.headers['content-length']).toBe(String(text.length))
      expect(head.body).toHaveLength(0)
      const unchanged = await client.send('GET', at('team/app', reference), {
        headers: { 'if-none-match': `"${digest}"` },
      })
      expect(unchanged.status).toBe(304)
    }
  })

  it.each([
    ['sha256', sha256],
    ['sha512', sha512],
  ])('is pushed by %s with as many tags as are named, each told back', async (algorithm, digestOf) => {
    const text = JSON.stringify(await client.image('team/tagged', [algorithm]))
    const digest = digestOf(text)
    const tags = Array.from({ length: 12 }, (_, at) => `${algorithm}-${at}`)
    const query = tags.map((tag) => `tag=${tag}`).join('&')
    const pushed = await client.pushManifest('team/tagged', `${digest}?${query}`, text)
    expect(pushed.status).toBe(201)
    const told = pushed.rawHeaders.filter((_, at, all) => all[at - 1]?.toLowerCase() === 'oci-tag')
    expect(told).toEqual(tags)
    for (const tag of tags) {
      const head = await client.send('HEAD', at('team/tagged', tag))
      expect(head.headers['docker-content-digest']).toBe(digest)
    }
  })

  it('whose bytes do not give the digest of the path is 400', async () => {
    const text = JSON.stringify(await client.image('team/app'))
    const refused = await client.pushManifest('team/app', sha256('other'), text)
    expect(refused.status).toBe(400)
    expect(refused.errorCode()).toBe('DIGEST_INVALID')
    expect((await client.send('HEAD', at('team/app', sha256(text)))).status).not.toBe(500)
  })

  it('moves a tag, and stays what it was by digest', async () => {
    const first = JSON.stringify(await client.image('team/moving', ['one']))
    const second = JSON.stringify(await client.image('team/moving', ['two']))
    await client.pushManifest('team/moving', 'latest', first)
    await client.pushManifest('team/moving', 'latest', second)
    expect((await client.send('GET', at('team/moving', 'latest'))).body.toString()).toBe(second)
    expect((await client.send('GET', at('team/moving', sha256(first)))).body.toString()).toBe(first)
  })

  it('of Docker’s schema 2 keeps its type', async () => {
    const image = { ...(await client.image('team/docker')), mediaType: DOCKER_MANIFEST }
    await client.pushManifest('team/docker', 'v2', image)
    expect((await client.send('GET', at('team/docker', 'v2'))).headers['content-type']).toBe(DOCKER_MANIFEST)
  })

  it('may have large annotations, and no layers', async () => {
    const annotations = Object.fromEntries(
      Array.from({ length: 390 }, (_, at) => [`k${at}`, 'v'.repeat(1000)]),
    )
    const image = await client.image('team/large', [], { annotations })
    expect((await client.pushManifest('team/large', 'v1', image)).status).toBe(201)
    expect((await client.send('GET', at('team/large', 'v1'))).json()).toEqual(image)
  })
})

describe('an index', () => {
  it('is taken with its children, nested, or empty', async () => {
    const image = JSON.stringify(await client.image('team/multi'))
    await client.pushManifest('team/multi', sha256(image), image)
    const index = JSON.stringify(indexOf([descriptor(OCI_MANIFEST, image)]))
    expect((await client.pushManifest('team/multi', 'index', index)).status).toBe(201)
    const nested = indexOf([descriptor(OCI_INDEX, index)])
    expect((await client.pushManifest('team/multi', 'nested', nested)).status).toBe(201)
    expect((await client.pushManifest('team/multi', 'empty', indexOf([]))).status).toBe(201)
  })

  it('without a child is refused with the child’s name', async () => {
    const missing = descriptor(OCI_MANIFEST, 'not here')
    const refused = await client.pushManifest('team/multi', 'sparse', indexOf([missing]))
    expect(refused.status).toBe(404)
    expect(refused.json()).toMatchObject({
      errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', detail: { missing: [missing.digest] } }],
    })
    expect((await client.send('HEAD', at('team/multi', 'sparse'))).status).toBe(404)
  })
})

describe('what a manifest refers to', () => {
  it.each(['config', 'layer'])('must be in its repository: a missing %s is refused', async (which) => {
    const image = await client.image('team/whole', ['present'])
    const absent = descriptor('application/vnd.oci.image.layer.v1.tar', `absent ${which}`)
    const broken = which === 'config' ? { ...image, config: absent } : { ...image, layers: [absent] }
    const refused = await client.pushManifest('team/whole', 'broken', broken)
    expect(refused.status).toBe(404)
    expect(refused.errorCode()).toBe('MANIFEST_BLOB_UNKNOWN')
  })

  it('is not found in another repository, even of the same project', async () => {
    const image = await client.image('team/has-it', ['shared layer'])
    const refused = await client.pushManifest('team/has-it-not', 'v1', image)
    expect(refused.errorCode()).toBe('MANIFEST_BLOB_UNKNOWN')
  })

  it('may be absent where a layer is not to be distributed', async () => {
    const image = await client.image('team/foreign')
    const foreign = descriptor('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'elsewhere')
    const taken = await client.pushManifest('team/foreign', 'v1', { ...image, layers: [foreign] })
    expect(taken.status).toBe(201)
  })
})

describe('deleting', () => {
  it('a tag leaves the manifest', async () => {
    const text = JSON.stringify(await client.image('team/delete', ['tag']))
    await client.pushManifest('team/delete', 'a', text)
    await client.pushManifest('team/delete', 'b', text)
    expect((await client.send('DELETE', at('team/delete', 'a'))).status).toBe(202)
    expect((await client.send('HEAD', at('team/delete', 'a'))).status).toBe(404)
    expect((await client.send('HEAD', at('team/delete', 'b'))).status).toBe(200)
    expect((await client.send('HEAD', at('team/delete', sha256(text)))).status).toBe(200)
    expect((await client.send('DELETE', at('team/delete', 'a'))).status).toBe(404)
  })

  it('a manifest takes every tag that means it, at once, however many', async () => {
    const text = JSON.stringify(await client.image('team/many', ['many']))
    const other = JSON.stringify(await client.image('team/many', ['other']))
    const tags = Array.from({ length: 450 }, (_, at) => `t${String(at).padStart(3, '0')}`)
    for (let from = 0; from < tags.length; from += 90) {
      const query = tags.slice(from, from + 90).map((tag) => `tag=${tag}`)
      await client.pushManifest('team/many', `${sha256(text)}?${query.join('&')}`, text)
    }
    await client.pushManifest('team/many', 'other', other)
    expect((await client.send('DELETE', at('team/many', sha256(text)))).status).toBe(202)
    expect((await client.send('HEAD', at('team/many', sha256(text)))).status).toBe(404)
    expect((await client.send('HEAD', at('team/many', 't000'))).status).toBe(404)
    expect((await client.send('GET', '/v2/team/many/tags/list')).json()).toEqual({
      name: 'team/many',
      tags: ['other'],
    })
    expect((await client.send('DELETE', at('team/many', sha256(text)))).status).toBe(404)
  })

  it('and pushing again brings it back', async () => {
    const text = JSON.stringify(await client.image('team/again'))
    await client.pushManifest('team/again', 'v1', text)
    await client.send('DELETE', at('team/again', sha256(text)))
    await client.pushManifest('team/again', 'v1', text)
    expect((await client.send('GET', at('team/again', 'v1'))).body.toString()).toBe(text)
  })
})
