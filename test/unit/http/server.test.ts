import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { get } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import { HttpServer, type HttpServerInit, type RouteModule } from '../../../src/http/server.ts'
import { HTTP_GRACE_MS } from '../../../src/limits.ts'
import { type Logger, silentLogger } from '../../../src/runtime/logger.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { temporaryDirectory } from '../../support/disk.ts'
import { OciClient } from '../../support/oci-client.ts'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function serve(
  routes: RouteModule[],
  more: Partial<HttpServerInit> = {},
  logger: Logger = silentLogger,
) {
  const parts = { routes, logger, random: systemRandom, timers: systemTimers }
  const server = new HttpServer(parts, { host: '127.0.0.1', port: 0, ...more })
  await server.start()
  closing.push(() => server.stop())
  const client = new OciClient(`http://127.0.0.1:${server.address.port}`)
  closing.push(() => client.close())
  return { server, client }
}

function throwing(path: string, error: unknown): RouteModule {
  return (scope: FastifyInstance) => {
    scope.get(path, async () => {
      throw error
    })
  }
}

describe('an error', () => {
  it('nobody expected is 500 without a word of why, and in the log with the request’s id', async () => {
    const logged: { requestId?: string; err?: unknown; path?: string }[] = []
    const logger: Logger = { ...silentLogger, error: (facts) => logged.push(facts), child: () => logger }
    const cause = new Error('the secret is 42')
    const { client } = await serve([throwing('/v2/x', cause), throwing('/api/v2.0/x', cause)], {}, logger)
    for (const path of ['/v2/x', '/api/v2.0/x']) {
      const got = await client.send('GET', `${path}?token=hidden`, {
        headers: { 'x-request-id': `id-${path.length}` },
      })
      expect(got.status).toBe(500)
      expect(got.json()).toEqual({ errors: [{ code: 'UNKNOWN', message: 'internal server error' }] })
      expect(got.headers['x-request-id']).toBe(`id-${path.length}`)
      expect(logged.at(-1)).toMatchObject({ requestId: `id-${path.length}`, err: cause, path })
    }
  })

  it.each([
    ['DENIED', 403, 'DENIED', 'FORBIDDEN'],
    ['USER_UNKNOWN', 404, 'USER_UNKNOWN', 'NOT_FOUND'],
    ['PROJECT_NAME_TAKEN', 409, 'PROJECT_NAME_TAKEN', 'CONFLICT'],
    ['PRECONDITION', 412, 'PRECONDITION', 'PRECONDITION'],
    ['STORAGE_FULL', 507, 'STORAGE_FULL', 'UNKNOWN'],
    ['NOT_IN_ANY_TABLE', 500, 'UNKNOWN', 'UNKNOWN'],
  ])('%s is %i in the words of either protocol', async (code, status, oci, harbor) => {
    const fault = new Fault(code, 'a sentence', { fact: 1 })
    const { client } = await serve([throwing('/v2/x', fault), throwing('/api/x', fault)])
    const atOci = await client.send('GET', '/v2/x')
    expect(atOci.status).toBe(status)
    expect(atOci.errorCode()).toBe(oci)
    const atApi = await client.send('GET', '/api/x')
    expect(atApi.status).toBe(status)
    expect(atApi.errorCode()).toBe(harbor)
    // What Harbor has no word for stands beside its body, so that a command can say what helps.
    expect(atApi.headers['x-flotilla-code']).toBe(code === harbor || status === 500 ? undefined : code)
    expect(atOci.headers['x-flotilla-code']).toBeUndefined()
  })

  it('of a body that is no JSON is the client’s', async () => {
    const { client } = await serve([
      (scope) => {
        scope.post('/api/x', async () => 'fine')
      },
    ])
    const headers = { 'content-type': 'application/json' }
    const got = await client.send('POST', '/api/x', { headers, body: '{' })
    expect(got.status).toBe(400)
    expect(got.errorCode()).toBe('BAD_REQUEST')
    const large = await client.send('POST', '/api/x', { headers, body: `"${'x'.repeat(2_000_000)}"` })
    expect(large.status).toBe(413)
    expect(
      (await client.send('POST', '/api/x', { headers: { 'content-type': 'a/b' }, body: 'x' })).status,
    ).toBe(415)
  })
})

describe('a request that breaks off', () => {
  const taking: RouteModule = (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    scope.put('/*', async (request) => {
      for await (const _ of request.raw);
      return {}
    })
    scope.get('/*', async (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-length': '100' })
      reply.raw.write('half')
    })
  }

  /** Sends it, closes its own half, and gives all that comes back. */
  async function answerTo(text: string): Promise<{ head: string; body: string }> {
    const { server } = await serve([taking])
    const socket = connect({ port: server.address.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.end(text)
    const [head = '', body = ''] = (await socket.setEncoding('utf8').toArray()).join('').split('\r\n\r\n')
    return { head, body }
  }

  it.each([
    ['an upload', 'PUT /v2/a HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nsome', 400, 'SIZE_INVALID'],
    [
      'a Harbor one',
      'PUT /api/a HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nsome',
      400,
      'BAD_REQUEST',
    ],
    ['no more than a beginning', 'PUT /v2/a HTTP/1.1\r\nhost', 400, 'BAD_REQUEST'],
    ['no HTTP', 'what is this\r\n\r\n', 400, 'BAD_REQUEST'],
    ['endless headers', `GET / HTTP/1.1\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`, 431, 'BAD_REQUEST'],
  ])('%s is answered in the registry’s own form', async (_, text, status, code) => {
    const { head, body } = await answerTo(text)
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(head).toContain('content-type: application/json')
    expect(JSON.parse(body)).toEqual({ errors: [{ code, message: expect.any(String) }] })
  })

  it('keeps its id in the answer', async () => {
    const { head } = await answerTo(
      'PUT /v2/a HTTP/1.1\r\nhost: x\r\nx-request-id: mine\r\ncontent-length: 9\r\n\r\nx',
    )
    expect(head).toContain('x-request-id: mine')
  })

  it('puts nothing into the middle of an answer that is going out', async () => {
    const { server } = await serve([taking])
    const socket = connect(server.address.port, '127.0.0.1').setEncoding('utf8')
    socket.write('GET /v2/a HTTP/1.1\r\nhost: x\r\n\r\n')
    let got = ''
    for await (const text of socket) {
      got += String(text)
      if (got.endsWith('half')) socket.write('this is no request\r\n\r\n')
    }
    expect(got).toMatch(/\r\n\r\nhalf$/)
  })
})

describe('route modules', () => {
  it('keep their body parsers to themselves', async () => {
    const { client } = await serve([
      (scope) => {
        scope.removeAllContentTypeParsers()
        scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
        scope.post('/raw', async (request) => ({ parsed: request.body ?? null }))
      },
      (scope) => {
        scope.post('/json', async (request) => ({ parsed: request.body }))
      },
    ])
    const asked = { headers: { 'content-type': 'application/json' }, body: '{"a":1}' }
    expect((await client.send('POST', '/raw', asked)).json()).toEqual({ parsed: null })
    expect((await client.send('POST', '/json', asked)).json()).toEqual({ parsed: { a: 1 } })
  })
})

describe('stopping', () => {
  it('lets what is under way end, and takes nothing new', async () => {
    const begun = Promise.withResolvers<void>()
    const end = Promise.withResolvers<void>()
    const { server, client } = await serve([
      (scope) => {
        scope.get('/slow', async () => {
          begun.resolve()
          await end.promise
          return { done: true }
        })
      },
    ])
    const { port } = server.address
    const slow = client.send('GET', '/slow')
    await begun.promise
    const stopped = server.stop()
    const refusal = () =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy()
          resolve('open')
        })
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      })
    await expect.poll(refusal).toBe('ECONNREFUSED')
    end.resolve()
    expect((await slow).json()).toEqual({ done: true })
    await stopped
  })

  it('closes what will not end once its time is over', async () => {
    const begun = Promise.withResolvers<void>()
    const never = Promise.withResolvers<void>()
    const delayed = new Map<number, () => void>()
    const routes: RouteModule[] = [
      (scope) => {
        scope.get('/never', async () => {
          begun.resolve()
          await never.promise
        })
      },
    ]
    // The time is over when the test says so.
    const timers = {
      ...systemTimers,
      after: (ms: number, task: () => void) => {
        delayed.set(ms, task)
        return () => {}
      },
    }
    const parts = { routes, logger: silentLogger, random: systemRandom, timers }
    const server = new HttpServer(parts, { host: '127.0.0.1', port: 0 })
    await server.start()
    const client = new OciClient(`http://127.0.0.1:${server.address.port}`)
    closing.push(() => client.close())
    const waiting = client.send('GET', '/never')
    await begun.promise
    const stopped = server.stop()
    delayed.get(HTTP_GRACE_MS)?.()
    await expect(waiting).rejects.toThrow()
    await stopped
    never.resolve()
  })
})

function openssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    process.stderr.write('\nSKIPPED: openssl is not on the PATH, so no certificate for the TLS test\n\n')
    return false
  }
}

describe.skipIf(!openssl())('over TLS', () => {
  async function certificate(name: string): Promise<{ cert: Buffer; key: Buffer }> {
    const directory = await temporaryDirectory()
    const [key, cert] = [join(directory.path, 'key.pem'), join(directory.path, 'cert.pem')]
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
    const make = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ]
    execFileSync('openssl', [...make, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' })
    const keys = { cert: await readFile(cert), key: await readFile(key) }
    await directory.remove()
    return keys
  }

  function negotiated(
    port: number,
  ): Promise<{ alpn: string | false | null; name: string; protocol: string | null }> {
    return new Promise((resolve, reject) => {
      const socket = tlsConnect(
        { host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] },
        () => {
          const name = String(socket.getPeerCertificate().subject.CN)
          resolve({ alpn: socket.alpnProtocol, name, protocol: socket.getProtocol() })
          socket.destroy()
        },
      )
      socket.on('error', reject)
    })
  }

  it('speaks HTTP/1.1 even to who would take HTTP/2, and takes a renewed certificate', async () => {
    const tls = await certificate('one.test')
    const { server } = await serve([throwing('/v2/x', new Fault('NAME_UNKNOWN', 'no'))], { tls })
    const { port } = server.address
    expect(await negotiated(port)).toEqual({ alpn: 'http/1.1', name: 'one.test', protocol: 'TLSv1.3' })
    const status = await new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path: '/v2/x', rejectUnauthorized: false, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode)
      }).on('error', reject)
    })
    expect(status).toBe(404)
    server.renewTls(await certificate('two.test'))
    expect((await negotiated(port)).name).toBe('two.test')
  })
})
