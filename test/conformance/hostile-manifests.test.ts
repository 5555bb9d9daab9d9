import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { MANIFEST_BYTES_MAX } from '../../src/limits.ts'
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'
import { blamelessServer, raw, refused } from '../support/blameless-server.ts'
import { sha256 } from '../support/oci-client.ts'

const server = blamelessServer()

describe('a manifest', () => {
  const put = (body: string | Buffer, contentType?: string, reference = 'latest') =>
    server.client.send('PUT', `/v2/team/hostile/manifests/${reference}`, {
      body,
      headers: contentType === undefined ? {} : { 'content-type': contentType },
    })

  it.each([1, 1_000_000, 3 * MANIFEST_BYTES_MAX])('%i bytes over the limit is 413', async (over) => {
    // The server may close on one that goes on and on; a client that is still sending then sees that.
    const answer = await put(Buffer.alloc(MANIFEST_BYTES_MAX + over, ' '), OCI_MANIFEST)
    refused(answer, 413, 'SIZE_INVALID')
  })

  it('too large leaves the connection fit for the next request', async () => {
    const body = ' '.repeat(3 * MANIFEST_BYTES_MAX)
    const head = `PUT /v2/team/hostile/manifests/x HTTP/1.1\r\nhost: x\r\ncontent-type: ${OCI_MANIFEST}\r\n`
    const next = 'GET /v2/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'
    const got = await raw(server.port, `${head}content-length: ${body.length}\r\n\r\n${body}${next}`)
    expect(got.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200'])
  })

  it('of just the limit is read', async () => {
    const image = await server.client.image('team/hostile')
    const text = JSON.stringify(image)
    const full = `${text.slice(0, -1)}${' '.repeat(MANIFEST_BYTES_MAX - text.length)}}`
    expect((await put(full, OCI_MANIFEST)).status).toBe(201)
    const got = await server.client.send('GET', '/v2/team/hostile/manifests/latest')
    expect(got.body.toString() === full).toBe(true)
  })

  it('in no declared length over the limit is 413 as well', async () => {
    const body = 'a'.repeat(1_000_000)
    const chunks = Array.from({ length: 5 }, () => `${body.length.toString(16)}\r\n${body}\r\n`).join('')
    const head = `PUT /v2/team/hostile/manifests/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: ${OCI_MANIFEST}\r\ntransfer-encoding: chunked\r\n\r\n`
    expect(await raw(server.port, `${head}${chunks}0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 413/)
  })

  it('that could be read in two ways is refused', async () => {
    const image = await server.client.image('team/hostile')
    const text = JSON.stringify(image)
    for (const [body, type] of [
      [text, DOCKER_MANIFEST],
      [text, OCI_INDEX],
      [text, 'application/json'],
      [JSON.stringify({ ...image, manifests: [] }), OCI_MANIFEST],
      [JSON.stringify({ ...image, mediaType: undefined, manifests: [] }), OCI_INDEX],
      [`{"layers":[],${text.slice(1)}`, OCI_MANIFEST],
      [`{"\\u006cayers":[],${text.slice(1)}`, OCI_MANIFEST],
      [`{"LAYERS":[],${text.slice(1)}`, OCI_MANIFEST],
      [`\uFEFF${text}`, OCI_MANIFEST],
      [`${text}${text}`, OCI_MANIFEST],
      ['['.repeat(100_000), OCI_MANIFEST],
      ['', OCI_MANIFEST],
      ['null', OCI_MANIFEST],
      [Buffer.from([0xff, 0xfe]), OCI_MANIFEST],
    ] as const) {
      refused(await put(body, type), 400, 'MANIFEST_INVALID')
    }
  })

  it.each(['sha256:baddigeststring', `sha256:${'0'.repeat(63)}`, 'sha1:x'])(
    'at %s is DIGEST_INVALID',
    async (digest) => {
      refused(await put('{}', OCI_MANIFEST, digest), 400, 'DIGEST_INVALID')
      refused(await server.client.send('GET', `/v2/team/hostile/manifests/${digest}`), 400, 'DIGEST_INVALID')
      refused(
        await server.client.send('DELETE', `/v2/team/hostile/manifests/${digest}`),
        400,
        'DIGEST_INVALID',
      )
      refused(await server.client.send('GET', `/v2/team/hostile/blobs/${digest}`), 400, 'DIGEST_INVALID')
      refused(await server.client.send('GET', `/v2/team/hostile/referrers/${digest}`), 400, 'DIGEST_INVALID')
    },
  )

  it.each(['.hidden', '-x', 'a%00b', '%2e%2e', 'a'.repeat(129), 'ü'.normalize('NFD') && '%C3%BC'])(
    'at the tag %s is TAG_INVALID',
    async (tag) => {
      refused(await put('{}', OCI_MANIFEST, tag), 400, 'TAG_INVALID')
    },
  )

  it('with more tags than a push may set is refused whole', async () => {
    const text = JSON.stringify(await server.client.image('team/hostile'))
    const query = Array.from({ length: 101 }, (_, at) => `tag=many-${at}`).join('&')
    refused(await put(text, OCI_MANIFEST, `${sha256(text)}?${query}`), 414, 'TAGS_TOO_MANY')
    expect((await server.client.send('HEAD', '/v2/team/hostile/manifests/many-0')).status).toBe(404)
  })

  it('with more parts than we keep track of is refused', async () => {
    const layer = { mediaType: 'application/x', digest: '', size: 1 }
    const layers = Array.from({ length: 2000 }, () => ({ ...layer, digest: sha256(randomBytes(8)) }))
    const image = { ...(await server.client.image('team/hostile')), layers }
    refused(await put(JSON.stringify(image), OCI_MANIFEST), 400, 'MANIFEST_INVALID')
  })
})
