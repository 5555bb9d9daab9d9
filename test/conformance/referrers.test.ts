import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { descriptor, indexOf, OciClient, sha256 } from '../support/oci-client.ts'
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

describe('referrers', () => {
  const list = (repository: string, digest: string, query = '') =>
    client.send('GET', `/v2/${repository}/referrers/${digest}${query}`)

  it.each(['team/none', 'team/referrers'])(
    'of anything in %s are an index, never 404',
    async (repository) => {
      const got = await list(repository, sha256(randomBytes(9)))
      expect(got.status).toBe(200)
      expect(got.headers['content-type']).toBe(OCI_INDEX)
      expect(got.json()).toEqual({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
    },
  )

  it('name what refers to a subject, whether that is here or not, and are filtered by type', async () => {
    const repository = 'team/referrers'
    const subject = descriptor(OCI_MANIFEST, `absent ${randomBytes(4).toString('hex')}`)
    const image = await client.image(repository)
    const empty = descriptor(OCI_EMPTY, '{}')
    await client.pushBlob(repository, '{}')
    const big = { note: 'n'.repeat(40_000) }
    const documents = {
      sbom: { ...image, subject, artifactType: 'application/spdx+json', annotations: { by: 'us' } },
      typeless: {
        ...image,
        config: { ...empty, mediaType: 'application/vnd.example' },
        layers: [empty],
        subject,
      },
      big: { ...image, subject, artifactType: 'application/big', annotations: big },
      index: indexOf([], { subject, annotations: { a: 'b' } }),
    }
    for (const document of Object.values(documents)) {
      const text = JSON.stringify(document)
      const pushed = await client.pushManifest(repository, sha256(text), text)
      expect(pushed.status).toBe(201)
      expect(pushed.headers['oci-subject']).toBe(subject.digest)
    }
    const described = (name: keyof typeof documents, more: object) => ({
      ...descriptor(name === 'index' ? OCI_INDEX : OCI_MANIFEST, JSON.stringify(documents[name])),
      ...more,
    })
    const all = [
      described('sbom', { artifactType: 'application/spdx+json', annotations: { by: 'us' } }),
      described('typeless', { artifactType: 'application/vnd.example' }),
      described('big', { artifactType: 'application/big', annotations: big }),
      described('index', { annotations: { a: 'b' } }),
    ]
    const got = await list(repository, subject.digest)
    const { manifests } = got.json() as { manifests: { digest: string }[] }
    expect(manifests).toHaveLength(4)
    expect(manifests).toEqual(expect.arrayContaining(all))
    expect(got.headers['oci-filters-applied']).toBeUndefined()

    const filtered = await list(repository, subject.digest, '?artifactType=application%2Fspdx%2Bjson')
    expect(filtered.headers['oci-filters-applied']).toBe('artifactType')
    expect(filtered.json()).toMatchObject({ manifests: [all[0]] })

    const collected: unknown[] = []
    let next: string | undefined = `/v2/${repository}/referrers/${subject.digest}?n=1`
    while (next !== undefined) {
      const page = await client.send('GET', next)
      collected.push(...(page.json() as { manifests: unknown[] }).manifests)
      next = /<([^>]+)>; rel="next"/.exec(String(page.headers.link))?.[1]
    }
    expect(collected).toEqual(manifests)

    await client.send('DELETE', at(repository, sha256(JSON.stringify(documents.sbom))))
    expect((await list(repository, subject.digest)).json()).toMatchObject({
      manifests: expect.objectContaining({ length: 3 }),
    })
  })
})
