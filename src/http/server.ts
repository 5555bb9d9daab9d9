import type { Server } from 'node:http'
import { Server as TlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import {
  HTTP_CONNECTIONS_MAX,
  HTTP_GRACE_MS,
  HTTP_HEADER_BYTES_MAX,
  HTTP_HEADERS_MS_MAX,
  HTTP_IDLE_MS_MAX,
  HTTP_KEEP_ALIVE_MS,
  REPOSITORY_NAME_BYTES_MAX,
} from '../limits.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Random } from '../runtime/random.ts'
import type { Startable } from '../runtime/startable.ts'
import type { Timers } from '../runtime/timers.ts'
import { answerToBroken, rawAnswer } from './broken-request.ts'
import { type Answer, answerOf, codeOfStatus, INTERNAL_ERROR, isClientGone, isOfStorage } from './errors.ts'
import { ociBody } from './oci/errors.ts'

/**
 * A protocol's routes. Each module gets a Fastify scope of its own, so that body parsers and hooks it
 * adds are not its neighbours'.
 */
export type RouteModule = (scope: FastifyInstance) => void | Promise<void>

export interface HttpServerParts {
  readonly routes: readonly RouteModule[]
  readonly logger: Logger
  readonly random: Random
  readonly timers: Timers
}

export type HttpServerInit = (TcpPlace | SocketPlace) & HttpServerOptions

export interface TcpPlace {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
}

/** A unix socket; who may open it is for its maker to see to. */
export interface SocketPlace {
  readonly path: string
}

export interface HttpServerOptions {
  /** PEM. Without it the server speaks plain HTTP. */
  readonly tls?: TlsKeys | undefined
  /** Addresses or ranges of proxies whose X-Forwarded headers are believed. */
  readonly trustedProxies?: readonly string[] | undefined
}

export interface TlsKeys {
  readonly cert: string | Buffer
  readonly key: string | Buffer
}

/** An id a client may choose: long enough for a trace id, nothing a log or header could trip over. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/

/** While stopping: how long a connection may outlive its last answer. */
const SWEEP_EVERY_MS = 50

/** The shell every protocol runs in: one socket, request ids, errors in the protocol's own form. */
export class HttpServer implements Startable {
  readonly #parts: HttpServerParts
  readonly #init: HttpServerInit
  readonly #logger: Logger
  /** Which run of which node a request id is of; counting from there costs nothing per request. */
  readonly #run: string
  #requests = 0
  /** The last request of each connection: a request that breaks off is answered past Fastify. */
  readonly #last = new WeakMap<Socket, FastifyReply>()
  #app: FastifyInstance | undefined

  constructor(parts: HttpServerParts, init: HttpServerInit) {
    this.#parts = parts
    this.#init = init
    this.#logger = parts.logger.child({ room: 'http' })
    this.#run = Buffer.from(parts.random.bytes(8)).toString('hex')
  }

  async start(): Promise<void> {
    const app = this.#create()
    this.#app = app
    app.server.maxConnections = HTTP_CONNECTIONS_MAX
    app.addHook('onRequest', async (request, reply) => {
      this.#last.set(request.raw.socket, reply)
      reply.header('x-request-id', request.id)
      reply.header('x-content-type-options', 'nosniff')
    })
    app.setErrorHandler((error, request, reply) => this.#fail(error, request, reply))
    app.setNotFoundHandler((request, reply) =>
      this.#answer(
        { status: 404, code: 'NOT_FOUND', message: 'there is nothing at this path' },
        request,
        reply,
      ),
    )
    for (const module of this.#parts.routes) await app.register(async (scope) => module(scope))
    const init = this.#init
    await app.listen('path' in init ? { path: init.path } : { host: init.host, port: init.port })
  }

  /** No new connections; what is under way gets its time to end, then the sockets are closed. */
  async stop(): Promise<void> {
    const app = this.#app
    if (!app) return
    const { timers } = this.#parts
    const callOffEnd = timers.after(HTTP_GRACE_MS, () => app.server.closeAllConnections())
    // A connection whose last answer goes out after the close is idle too, and nobody else would end it.
    let callOffSweep = () => {}
    const sweep = () => {
      app.server.closeIdleConnections()
      callOffSweep = timers.after(SWEEP_EVERY_MS, sweep)
    }
    sweep()
    await app.close()
    callOffEnd()
    callOffSweep()
  }

  /** Where it listens, once started. */
  get address(): AddressInfo {
    const address = this.#app?.server.address()
    if (!address || typeof address === 'string') throw new TypeError('the server does not listen')
    return address
  }

  /** A renewed certificate, for connections from now on. */
  renewTls(keys: TlsKeys): void {
    const server: Server | undefined = this.#app?.server
    if (server instanceof TlsServer) server.setSecureContext(keys)
  }

  #create(): FastifyInstance {
    const { tls, trustedProxies = [] } = this.#init
    const limits = { headersTimeout: HTTP_HEADERS_MS_MAX, maxHeaderSize: HTTP_HEADER_BYTES_MAX }
    // HTTP/2 in Node costs half the throughput of a blob, and clients take it whenever it is offered.
    const secure = tls && { ...limits, ...tls, ALPNProtocols: ['http/1.1'], minVersion: 'TLSv1.2' as const }
    const app = fastify({
      logger: false,
      exposeHeadRoutes: false,
      // A long upload is no slow one: what bounds it is the idle time of its socket.
      requestTimeout: 0,
      connectionTimeout: HTTP_IDLE_MS_MAX,
      keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
      forceCloseConnections: 'idle',
      trustProxy: trustedProxies.length > 0 ? [...trustedProxies] : false,
      // A project's name may be as long as a repository's.
      routerOptions: { maxParamLength: REPOSITORY_NAME_BYTES_MAX },
      genReqId: (request) => this.#requestId(request.headers['x-request-id']),
      clientErrorHandler: (error, socket) => this.#broken(error, socket),
      frameworkErrors: (error, request, reply) => this.#fail(error, request, reply),
      ...(secure ? { https: secure } : { http: limits }),
    })
    return app
  }

  #requestId(given: string | string[] | undefined): string {
    if (typeof given === 'string' && REQUEST_ID.test(given)) return given
    this.#requests++
    return `${this.#run}-${this.#requests.toString(36)}`
  }

  #fail(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    if (isClientGone(error) || request.raw.socket.destroyed) {
      this.#logger.debug({ requestId: request.id, err: error }, 'the client has gone')
      request.raw.socket.destroy()
      return
    }
    const answer = answerOf(error)
    if (answer.status >= 500) {
      const where = { requestId: request.id, method: request.method, path: pathOf(request.url) }
      // Unavailable is what a cut cable makes of a request, and the client is told to come back: no fault of this node.
      const level = answer.status === 503 && !isOfStorage(error) ? 'warn' : 'error'
      this.#logger[level]({ ...where, status: answer.status, err: error }, 'a request failed')
    }
    this.#answer(answer, request, reply)
  }

  #answer(answer: Answer, request: FastifyRequest, reply: FastifyReply): void {
    reply.code(answer.status)
    reply.header('x-request-id', request.id)
    if (answer.challenge !== undefined) reply.header('www-authenticate', answer.challenge)
    if (answer.status === 503 || answer.status === 429) {
      const seconds = answer.detail?.['retryAfterSeconds']
      reply.header('retry-after', typeof seconds === 'number' ? String(seconds) : '2')
    }
    // Harbor's body has a code for the status alone; whoever can do with more finds it here.
    if (!isOci(request.url) && answer.code !== codeOfStatus(answer.status))
      reply.header('x-flotilla-code', answer.code)
    reply.type('application/json')
    reply.send(Buffer.from(JSON.stringify(bodyFor(request.url, answer))))
  }

  /** What came is no request, or ended too soon: nobody but the socket is there to answer. */
  #broken(error: { readonly code?: string }, socket: Socket): void {
    const last = this.#last.get(socket)
    const reply = last?.raw.writableFinished ? undefined : last
    // Half an answer is out already; another in the middle of it would be taken for a part of it.
    if (error.code === 'ECONNRESET' || !socket.writable || reply?.raw.headersSent) {
      socket.destroy()
      return
    }
    const answer = answerToBroken(error.code, reply !== undefined)
    const body = bodyFor(reply?.request.url, answer)
    const id = reply?.request.id
    socket.write(rawAnswer(answer.status, body, id === undefined ? {} : { 'x-request-id': id }))
    socket.destroySoon()
  }
}

/** Where the path is not known the form is the same in either protocol. */
function bodyFor(url: string | undefined, answer: Answer): object {
  return url !== undefined && isOci(url) ? ociBody(answer) : harborBody(answer)
}

function isOci(url: string): boolean {
  const path = pathOf(url)
  return path === '/v2' || path.startsWith('/v2/')
}

/** Without the query, which may hold what a log must not. */
function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? ''
}

function harborBody({ status, message }: Answer): object {
  const code = codeOfStatus(status)
  return { errors: [{ code, message: status === 500 ? INTERNAL_ERROR.message : message }] }
}
