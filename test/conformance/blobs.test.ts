import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OciClient, sha256, sha512 } from '../support/oci-client.ts'
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

describe('GET /v2/', () => {
  it.each(['/v2/', '/v2'])('%s answers 200 and says what it is', async (path) => {
    const { status, headers } = await client.send('GET', path)
    expect(status).toBe(200)
    expect(headers['docker-distribution-api-version']).toBe('registry/2.0')
    expect(headers['x-content-type-options']).toBe('nosniff')
  })

  it('gives every answer an id, the client’s own where it brings a sane one', async () => {
    const own = await client.send('GET', '/v2/', { headers: { 'x-request-id': 'trace-42' } })
    expect(own.headers['x-request-id']).toBe('trace-42')
    const made = await client.send('GET', '/v2/', { headers: { 'x-request-id': 'a b\tc{}' } })
    expect(made.headers['x-request-id']).toMatch(/^[0-9a-f]{16}-[0-9a-z]+$/)
  })
})

describe.each([
  ['sha256', sha256],
  ['sha512', sha512],
] as const)('a blob by %s', (_, digestOf) => {
  it('that nobody pushed is 404 with the code of the specification', async () => {
    const digest = digestOf(randomBytes(8))
    const got = await client.send('GET', `/v2/team/blobs/blobs/${digest}`)
    expect(got.status).toBe(404)
    expect(got.errorCode()).toBe('BLOB_UNKNOWN')
    expect((await client.send('HEAD', `/v2/team/blobs/blobs/${digest}`)).status).toBe(404)
  })

  it.each([0, 2, 70_000, 3_000_000])(
    'of %i bytes is pushed, read, deleted, and gone at once',
    async (size) => {
      const bytes = randomBytes(size)
      const digest = digestOf(bytes)
      const at = `/v2/team/blobs/blobs/${digest}`
      const pushed = await client.pushBlob('team/blobs', bytes, digest)
      expect(pushed.status).toBe(201)
      expect(pushed.headers.location).toBe(at)
      expect(pushed.headers['docker-content-digest']).toBe(digest)

      const head = await client.send('HEAD', at)
      expect(head.status).toBe(200)
      expect(head.headers['content-length']).toBe(String(size))
      expect(head.headers['docker-content-digest']).toBe(digest)
      expect(head.body).toHaveLength(0)

      const got = await client.send('GET', at)
      expect(got.status).toBe(200)
      expect(got.headers['content-length']).toBe(String(size))
      expect(got.headers['content-type']).toBe('application/octet-stream')
      expect(got.headers['x-request-id']).toBeDefined()
      expect(got.body.equals(bytes)).toBe(true)

      expect((await client.send('DELETE', at)).status).toBe(202)
      expect((await client.send('HEAD', at)).status).toBe(404)
      expect((await client.send('GET', at)).status).toBe(404)
      expect((await client.send('DELETE', at)).status).toBe(404)
    },
  )
})

describe('part of a blob', () => {
  const bytes = randomBytes(2048)
  const at = `/v2/team/ranges/blobs/${sha256(bytes)}`
  beforeAll(async () => {
    await client.pushBlob('team/ranges', bytes)
  })

  it.each([
    ['500-1499', 500, 1499],
    ['500-', 500, 2047],
    ['-500', 1548, 2047],
    ['-5000', 0, 2047],
    ['2000-5000', 2000, 2047],
    ['0-0', 0, 0],
    ['2047-2047', 2047, 2047],
  ])('%s is 206 with just that part', async (range, first, last) => {
    const got = await client.send('GET', at, { headers: { range: `bytes=${range}` } })
    expect(got.status).toBe(206)
    expect(got.headers['content-range']).toBe(`bytes ${first}-${last}/2048`)
    expect(got.headers['content-length']).toBe(String(last - first + 1))
    expect(got.body.equals(bytes.subarray(first, last + 1))).toBe(true)
  })

  it.each(['500-0', '5000-10000', '2048-', '-0', '9007199254740993-'])(
    '%s is 416 and says the size',
    async (range) => {
      const got = await client.send('GET', at, { headers: { range: `bytes=${range}` } })
      expect(got.status).toBe(416)
      expect(got.headers['content-range']).toBe('bytes */2048')
      expect(got.errorCode()).toBe('SIZE_INVALID')
    },
  )

  it.each(['bytes=', 'bytes=-', 'bytes=a-b', 'lines=1-2', 'bytes=0-1,5-6', 'bytes'])(
    '%j is no range, so the whole is sent',
    async (range) => {
      const got = await client.send('GET', at, { headers: { range } })
      expect(got.status).toBe(200)
      expect(got.body).toHaveLength(2048)
    },
  )

  it('is 416 of an empty blob', async () => {
    await client.pushBlob('team/ranges', '')
    const got = await client.send('GET', `/v2/team/ranges/blobs/${sha256('')}`, {
      headers: { range: 'bytes=0-' },
    })
    expect(got.status).toBe(416)
    expect(got.headers['content-range']).toBe('bytes */0')
  })

  it('comes whole when If-Range names other bytes', async () => {
    const headers = { range: 'bytes=0-1', 'if-range': '"sha256:other"' }
    expect((await client.send('GET', at, { headers })).status).toBe(200)
    const same = { range: 'bytes=0-1', 'if-range': `"${sha256(bytes)}"` }
    expect((await client.send('GET', at, { headers: same })).status).toBe(206)
  })

  it('of a blob the client holds is 304 without a byte', async () => {
    const headers = { 'if-none-match': `W/"x", "${sha256(bytes)}"` }
    for (const method of ['GET', 'HEAD']) {
      const got = await client.send(method, at, { headers })
      expect(got.status).toBe(304)
      expect(got.body).toHaveLength(0)
    }
  })
})

describe('mounting', () => {
  it('makes a blob of another repository one of this, without its bytes', async () => {
    const bytes = randomBytes(100)
    const digest = sha256(bytes)
    await client.pushBlob('team/source', bytes)
    const mounted = await client.send('POST', `/v2/team/a/blobs/uploads/?mount=${digest}&from=team/source`)
    expect(mounted.status).toBe(201)
    expect(mounted.headers.location).toBe(`/v2/team/a/blobs/${digest}`)
    expect((await client.send('GET', `/v2/team/a/blobs/${digest}`)).body.equals(bytes)).toBe(true)
    const anonymous = await client.send('POST', `/v2/team/b/blobs/uploads/?mount=${digest}`)
    expect(anonymous.status).toBe(201)
    expect((await client.send('HEAD', `/v2/team/b/blobs/${digest}`)).status).toBe(200)
  })

  it.each(['from=team/source', 'from=team/nobody', 'from=nobody/nobody', ''])(
    'what is not there (%s) begins an upload that works',
    async (from) => {
      const bytes = randomBytes(100)
      const digest = sha256(bytes)
      const started = await client.send('POST', `/v2/team/c/blobs/uploads/?mount=${digest}&${from}`)
      expect(started.status).toBe(202)
      const put = await client.send('PUT', `${started.headers.location}?digest=${digest}`, { body: bytes })
      expect(put.status).toBe(201)
    },
  )

  it('from where it has been deleted is no mount', async () => {
    const bytes = randomBytes(100)
    const digest = sha256(bytes)
    await client.pushBlob('team/source', bytes)
    await client.send('DELETE', `/v2/team/source/blobs/${digest}`)
    for (const from of ['&from=team/source', '']) {
      const started = await client.send('POST', `/v2/team/d/blobs/uploads/?mount=${digest}${from}`)
      expect(started.status).toBe(202)
    }
  })
})
