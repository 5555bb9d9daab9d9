import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/disk.ts'
import { OciClient, sha256, sha512 } from '../support/oci-client.ts'
import { type ServerUnderTest, startRegistry } from '../support/registry.ts'

let server: ServerUnderTest
let client: OciClient
const repository = 'team/uploads'

beforeAll(async () => {
  server = await startRegistry()
  client = new OciClient(server.url, 'alice')
})
afterAll(async () => {
  client.close()
  await server.close()
})

async function expectBlob(bytes: Uint8Array, digest = sha256(bytes)) {
  const got = await client.send('GET', `/v2/${repository}/blobs/${digest}`)
  expect(got.status).toBe(200)
  expect(got.body.equals(bytes)).toBe(true)
}

function patch(location: string, body: Uint8Array, range?: string) {
  return client.send('PATCH', location, {
    body,
    headers: range === undefined ? {} : { 'content-range': range },
  })
}

describe('an upload', () => {
  it.each([
    ['sha256', sha256],
    ['sha512', sha512],
  ])('in one POST (%s) is a blob at once', async (_, digestOf) => {
    const bytes = randomBytes(5000)
    const digest = digestOf(bytes)
    const posted = await client.send('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
      body: bytes,
    })
    expect(posted.status).toBe(201)
    expect(posted.headers.location).toBe(`/v2/${repository}/blobs/${digest}`)
    await expectBlob(bytes, digest)
  })

  it('begins with 202 and an address of its own', async () => {
    const begun = await client.send('POST', `/v2/${repository}/blobs/uploads/`)
    expect(begun.status).toBe(202)
    expect(begun.headers.location).toMatch(/^\/v2\/team\/uploads\/blobs\/uploads\/[A-Za-z0-9_-]{22}$/)
    expect(begun.headers.range).toBe('0-0')
    expect(begun.headers['docker-upload-uuid']).toBe(begun.headers.location?.split('/').at(-1))
    expect((await client.send('POST', `/v2/${repository}/blobs/uploads`)).status).toBe(202)
  })

  it.each([sha256, sha512])('in chunks is told where to go on after each', async (digestOf) => {
    const bytes = randomBytes(3_000_000)
    let location = await client.startUpload(repository)
    for (const [first, end] of [
      [0, 1_000_000],
      [1_000_000, 1_000_001],
      [1_000_001, 2_500_000],
    ] as const) {
      const sent = await patch(location, bytes.subarray(first, end), `${first}-${end - 1}`)
      expect(sent.status).toBe(202)
      expect(sent.headers.range).toBe(`0-${end - 1}`)
      location = sent.headers.location ?? ''
    }
    const digest = digestOf(bytes)
    const put = await client.send('PUT', `${location}?digest=${digest}`, {
      body: bytes.subarray(2_500_000),
      headers: { 'content-range': '2500000-2999999' },
    })
    expect(put.status).toBe(201)
    await expectBlob(bytes, digest)
  })

  it('as a stream of unknown length needs no Content-Range', async () => {
    const bytes = randomBytes(2_000_000)
    const location = await client.startUpload(repository)
    expect((await patch(location, bytes)).status).toBe(202)
    expect((await client.send('PUT', `${location}?digest=${sha256(bytes)}`)).status).toBe(201)
    await expectBlob(bytes)
  })

  it.each(['2000-2999', '0-999', '500-1499', '1001-2000'])(
    'that goes on at %s when it stands at 1000 is 416, told where it stands, and can be finished',
    async (range) => {
      const bytes = randomBytes(2000)
      const location = await client.startUpload(repository)
      await patch(location, bytes.subarray(0, 1000), '0-999')
      for (const method of ['PATCH', 'PUT']) {
        const wrong = await client.send(
          method,
          method === 'PUT' ? `${location}?digest=${sha256(bytes)}` : location,
          {
            body: bytes.subarray(1000),
            headers: { 'content-range': range },
          },
        )
        expect(wrong.status).toBe(416)
        expect(wrong.headers.location).toBe(location)
        expect(wrong.headers.range).toBe('0-999')
        expect(wrong.errorCode()).toBe('BLOB_UPLOAD_INVALID')
      }
      const status = await client.send('GET', location)
      expect(status.status).toBe(204)
      expect(status.headers.range).toBe('0-999')
      expect(status.headers.location).toBe(location)
      expect((await patch(location, bytes.subarray(1000), '1000-1999')).status).toBe(202)
      expect((await client.send('PUT', `${location}?digest=${sha256(bytes)}`)).status).toBe(201)
      await expectBlob(bytes)
    },
  )

  it.each(['x', '5-1', '-5', '0-', '99999999999999999999-1'])(
    'with Content-Range %j is refused',
    async (range) => {
      const location = await client.startUpload(repository)
      expect((await patch(location, randomBytes(10), range)).status).toBe(400)
    },
  )

  it('whose body is not as long as its Content-Range says is refused', async () => {
    const location = await client.startUpload(repository)
    const short = await patch(location, randomBytes(10), '0-99')
    expect(short.status).toBe(400)
    expect(short.errorCode()).toBe('SIZE_INVALID')
  })

  it('stands where it stood after a chunk that lied about itself', async () => {
    const bytes = randomBytes(600_000)
    const location = await client.startUpload(repository)
    await patch(location, bytes.subarray(0, 300_000), '0-299999')
    const lying = await patch(location, bytes.subarray(300_000), '300000-300010')
    expect(lying.status).toBe(400)
    expect(lying.errorCode()).toBe('SIZE_INVALID')
    expect(lying.headers.range).toBe('0-299999')
    expect((await client.send('GET', location)).headers.range).toBe('0-299999')
    expect((await patch(location, bytes.subarray(300_000), '300000-599999')).status).toBe(202)
    expect((await client.send('PUT', `${location}?digest=${sha256(bytes)}`)).status).toBe(201)
    await expectBlob(bytes)
  })

  it('that is cancelled is unknown from then on', async () => {
    const location = await client.startUpload(repository)
    expect((await client.send('DELETE', location)).status).toBe(204)
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const gone = await client.send(
        method,
        `${location}?digest=${sha256('x')}`,
        method === 'GET' ? {} : { body: 'x' },
      )
      expect(gone.status).toBe(404)
      expect(gone.errorCode()).toBe('BLOB_UPLOAD_UNKNOWN')
    }
  })

  it('is unknown after it was finished', async () => {
    const location = await client.startUpload(repository)
    await client.send('PUT', `${location}?digest=${sha256('x')}`, { body: 'x' })
    expect((await client.send('GET', location)).status).toBe(404)
  })
})

describe('a wrong digest', () => {
  const other = sha256('other')

  it.each([
    [
      'in one POST',
      async (body: Buffer) =>
        client.send('POST', `/v2/${repository}/blobs/uploads/?digest=${other}`, { body }),
    ],
    [
      'in POST and PUT',
      async (body: Buffer) => {
        const location = await client.startUpload(repository)
        return client.send('PUT', `${location}?digest=${other}`, { body })
      },
    ],
    [
      'in chunks',
      async (body: Buffer) => {
        const location = await client.startUpload(repository)
        await patch(location, body.subarray(0, 100), '0-99')
        await patch(location, body.subarray(100), `100-${body.length - 1}`)
        return client.send('PUT', `${location}?digest=${other}`)
      },
    ],
  ])('%s is 400, and nothing is kept', async (_, push) => {
    for (const size of [1000, 2_000_000]) {
      const answer = await push(randomBytes(size))
      expect(answer.status).toBe(400)
      expect(answer.errorCode()).toBe('DIGEST_INVALID')
      expect((await client.send('HEAD', `/v2/${repository}/blobs/${other}`)).status).toBe(404)
    }
  })

  it.each(['', 'sha256:baddigeststring', 'md5:d41d8cd98f00b204e9800998ecf8427e', `sha256:${'A'.repeat(64)}`])(
    '%j is none at all: 400, and the upload goes on',
    async (digest) => {
      const location = await client.startUpload(repository)
      const put = await client.send('PUT', `${location}?digest=${digest}`, { body: 'x' })
      expect(put.status).toBe(400)
      expect(put.errorCode()).toBe('DIGEST_INVALID')
      expect((await client.send('GET', location)).status).toBe(204)
    },
  )
})

describe('an upload over a restart', () => {
  it('goes on where it stood', async () => {
    const directory = await temporaryDirectory()
    const bytes = randomBytes(5_000_000)
    const first = await startRegistry({ root: directory.path })
    const before = new OciClient(first.url, 'alice')
    const location = await before.startUpload(repository)
    await before.send('PATCH', location, { body: bytes.subarray(0, 3_000_000) })
    before.close()
    await first.close()

    const second = await startRegistry({ root: directory.path, projects: [] })
    const after = new OciClient(second.url, 'alice')
    const status = await after.send('GET', location)
    expect(status.headers.range).toBe('0-2999999')
    const put = await after.send('PUT', `${location}?digest=${sha256(bytes)}`, {
      body: bytes.subarray(3_000_000),
    })
    expect(put.status).toBe(201)
    const got = await after.send('GET', `/v2/${repository}/blobs/${sha256(bytes)}`)
    expect(got.body.equals(bytes)).toBe(true)
    after.close()
    await second.close()
    await directory.remove()
  })
})
