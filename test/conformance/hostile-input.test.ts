import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { blamelessServer, raw, refused } from '../support/blameless-server.ts'
import { sha256 } from '../support/oci-client.ts'

const server = blamelessServer()

describe('a repository name', () => {
  it.each([
    ['%2e%2e', 'team/%2e%2e/secret'],
    ['..', 'team/../secret'],
    ['an encoded slash before ..', 'team%2f..%2fsecret'],
    ['an encoded NUL', 'team/a%00b'],
    ['NUL at the end', 'team/a%00'],
    ['an encoded newline', 'team/a%0ab'],
    ['upper case', 'team/App'],
    ['a backslash', 'team/a%5c..%5cb'],
    ['an empty segment', 'team//app'],
    ['256 characters', `team/${'a'.repeat(251)}`],
    ['letters beyond ASCII', 'team/%C3%BC'],
    ['a double encoding', 'team%252fapp'],
  ])('with %s is NAME_INVALID on every path', async (_, name) => {
    for (const [method, rest] of [
      ['GET', `blobs/${sha256('x')}`],
      ['GET', 'manifests/latest'],
      ['PUT', 'manifests/latest'],
      ['POST', 'blobs/uploads/'],
      ['GET', 'tags/list'],
      ['GET', `referrers/${sha256('x')}`],
    ] as const) {
      refused(await server.client.send(method, `/v2/${name}/${rest}`), 400, 'NAME_INVALID')
    }
  })

  it('without a project says where to push instead', async () => {
    const answer = await server.client.send('POST', '/v2/alpine/blobs/uploads/')
    refused(answer, 400, 'NAME_INVALID')
    expect(answer.body.toString()).toContain('<project>/alpine')
  })

  it.each(['from=..%2f..%2fetc', 'from=Team%2fx', 'from=x%00'])(
    'as a source of a mount: %s',
    async (from) => {
      refused(
        await server.client.send('POST', `/v2/team/a/blobs/uploads/?mount=${sha256('x')}&${from}`),
        400,
        'NAME_INVALID',
      )
    },
  )

  it.each([`${'a/'.repeat(120)}a`, 'a/blobs/uploads/b', 'manifests/tags', `t/${'a'.repeat(253)}`])(
    '%s is one, however odd',
    async (path) => {
      const got = await server.client.send('GET', `/v2/${path}/manifests/latest`)
      expect(got.status).toBe(404)
      expect(got.errorCode()).toBe('NAME_UNKNOWN')
    },
  )
})

describe('a path', () => {
  it.each([
    '/v2/team',
    '/v2/team/app',
    '/v2/team/app/tags',
    '/v2/team/app/tags/all',
    '/v2/team/app/blobs',
    '/v2/team/app/manifests/',
    '/v2/blobs/uploads/',
    '/v2/team/app/blobs/uploads/a/b',
    '/v2/team/app/manifests/a/b',
  ])('%s that leads nowhere is an error of the client in the form of the specification', async (path) => {
    const got = await server.client.send('GET', path)
    expect([400, 404]).toContain(got.status)
    expect(got.errorCode()).toBeDefined()
  })

  it.each(['/v2/%zz/manifests/x', '/v2/team/%', '/v2/team/%c3/manifests/x'])(
    '%s does not decode: 400',
    async (path) => {
      const got = await server.client.send('GET', path)
      expect(got.status).toBe(400)
      expect(got.errorCode()).toBeDefined()
    },
  )

  it('elsewhere is 404 in the form of the management API', async () => {
    refused(await server.client.send('GET', '/nowhere'), 404, 'NOT_FOUND')
    refused(await server.client.send('GET', '/v3/'), 404, 'NOT_FOUND')
  })

  it.each([
    ['PATCH', '/v2/team/a/manifests/latest', 'HEAD, GET, PUT, DELETE'],
    ['POST', `/v2/team/a/blobs/${sha256('x')}`, 'HEAD, GET, DELETE'],
    ['DELETE', '/v2/team/a/tags/list', 'GET'],
    ['PUT', '/v2/', 'GET, HEAD'],
  ])('%s %s is 405 and says what is allowed', async (method, path, allowed) => {
    const got = await server.client.send(method, path)
    refused(got, 405, 'UNSUPPORTED')
    expect(got.headers.allow).toBe(allowed)
  })

  it('with a NUL or a method nobody knows does not get past the parser', async () => {
    expect(await raw(server.port, 'GET /v2/a\0b HTTP/1.1\r\nhost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/)
    expect(await raw(server.port, 'BREW /v2/ HTTP/1.1\r\nhost: x\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/)
  })

  it('with headers larger than ours is 431', async () => {
    expect(
      await raw(server.port, `GET /v2/ HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(64 * 1024)}\r\n\r\n`),
    ).toMatch(/^HTTP\/1\.1 431/)
  })
})

describe('an upload', () => {
  it.each(['..%2f..%2fetc%2fpasswd', '%2e%2e', 'a%00', '__proto__', 'constructor', 'x'.repeat(5000)])(
    'called %s is unknown',
    async (id) => {
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const got = await server.client.send(method, `/v2/team/a/blobs/uploads/${id}`)
        expect([400, 404]).toContain(got.status)
      }
    },
  )

  it('named twice its digest is refused', async () => {
    const location = await server.client.startUpload('team/a')
    const twice = `${location}?digest=${sha256('x')}&digest=${sha256('y')}`
    expect((await server.client.send('PUT', twice, { body: 'x' })).status).toBe(400)
  })

  it('that breaks off short of its Content-Length keeps what came, and is no blob', async () => {
    const bytes = randomBytes(5_000_000)
    const location = await server.client.startUpload('team/a')
    const credential = Buffer.from('alice:x').toString('base64')
    const head = `PUT ${location}?digest=${sha256(bytes)} HTTP/1.1\r\nhost: x\r\nauthorization: Basic ${credential}\r\ncontent-length: 5000000\r\n\r\n`
    const received = async () =>
      Number((await server.client.send('GET', location)).headers.range?.split('-')[1]) + 1
    const socket = connect(server.port, '127.0.0.1')
    socket.write(head)
    socket.write(bytes.subarray(0, 4_000_000))
    socket.resume()
    await expect.poll(received, { timeout: 5000 }).toBeGreaterThan(1_000_000)
    socket.destroy()

    expect((await server.client.send('HEAD', `/v2/team/a/blobs/${sha256(bytes)}`)).status).toBe(404)
    // Until the server has seen that the other is gone, the upload is busy.
    await expect
      .poll(async () => {
        const at = await received()
        const put = await server.client.send('PUT', `${location}?digest=${sha256(bytes)}`, {
          body: bytes.subarray(at),
          headers: { 'content-range': `${at}-4999999` },
        })
        return put.status
      })
      .toBe(201)
    const got = await server.client.send('GET', `/v2/team/a/blobs/${sha256(bytes)}`)
    expect(got.body.equals(bytes)).toBe(true)
  })
})
