import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { Admitted, Need, RegistryAccess } from '../../registry/access.ts'
import { parseProjectRepository } from '../../registry/place.ts'
import type { Registry } from '../../registry/registry.ts'
import type { RouteModule } from '../server.ts'
import { deleteBlob, getBlob, headBlob } from './blobs.ts'
import { type Handler, repeated, signalOf } from './call.ts'
import { listRepositories } from './catalog.ts'
import { deleteManifest, getManifest, headManifest, putManifest } from './manifests.ts'
import { type Kind, parsePath } from './path.ts'
import { listReferrers } from './referrers.ts'
import { listTags } from './tags.ts'
import { appendUpload, cancelUpload, finishUpload, startUpload, uploadStatus } from './uploads.ts'

export interface RegistryRoutesParts {
  readonly registry: Registry
  readonly access: RegistryAccess
}

interface Route {
  readonly action: 'pull' | 'push' | 'delete'
  readonly handle: Handler
}

const ROUTES: Readonly<Record<Kind, Readonly<Record<string, Route>>>> = {
  blobs: {
    HEAD: { action: 'pull', handle: headBlob },
    GET: { action: 'pull', handle: getBlob },
    DELETE: { action: 'delete', handle: deleteBlob },
  },
  uploads: {
    POST: { action: 'push', handle: startUpload },
    GET: { action: 'push', handle: uploadStatus },
    PATCH: { action: 'push', handle: appendUpload },
    PUT: { action: 'push', handle: finishUpload },
    DELETE: { action: 'push', handle: cancelUpload },
  },
  manifests: {
    HEAD: { action: 'pull', handle: headManifest },
    GET: { action: 'pull', handle: getManifest },
    PUT: { action: 'push', handle: putManifest },
    DELETE: { action: 'delete', handle: deleteManifest },
  },
  tags: { GET: { action: 'pull', handle: listTags } },
  referrers: { GET: { action: 'pull', handle: listReferrers } },
}

/** Everything below /v2/: the OCI distribution specification, and Docker's catalog. */
export function registryRoutes({ registry, access }: RegistryRoutesParts): RouteModule {
  async function admit(request: FastifyRequest, needs: readonly Need[]): Promise<Admitted> {
    const { authorization } = request.headers
    const scheme = request.protocol === 'https' ? 'https' : 'http'
    return access.authorize({ authorization, scheme, host: request.host, source: request.ip }, needs)
  }

  async function ping(request: FastifyRequest, reply: FastifyReply) {
    allow(request, reply, ['GET', 'HEAD'])
    await admit(request, [{ ping: true }])
    return reply.type('application/json').send(Buffer.from('{}'))
  }

  async function catalog(request: FastifyRequest, reply: FastifyReply) {
    allow(request, reply, ['GET'])
    const admitted = await admit(request, [{ catalog: true }])
    return listRepositories(registry, admitted, request, reply)
  }

  async function dispatch(request: FastifyRequest, reply: FastifyReply) {
    const path = (request.params as { '*': string })['*']
    if (path === '') return ping(request, reply)
    const target = parsePath(path)
    const known = target && (target.kind !== 'tags' || target.rest === 'list')
    if (!known) throw new Fault('NOT_FOUND', 'there is nothing at this path')
    const { kind, rest } = target
    const name = parseProjectRepository(target.name)
    const route = ROUTES[kind][request.method]
    if (!route) throw notAllowed(request, reply, Object.keys(ROUTES[kind]))
    const admitted = await admit(request, [
      { repository: name, action: route.action },
      ...mountNeeds(request, kind),
    ])
    return route.handle({ request, reply, registry, name, rest, admitted, gone: signalOf(reply) })
  }

  return (scope) => {
    // Bodies are read where they are wanted, in the size that is allowed there.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    scope.addHook('onRequest', async (_request, reply) => {
      reply.header('docker-distribution-api-version', 'registry/2.0')
    })
    scope.all('/v2', ping)
    scope.all('/v2/_catalog', catalog)
    scope.all('/v2/*', dispatch)
  }
}

/** So that the challenge names the source too. With a credential, a source it may not read is no mount. */
function mountNeeds(request: FastifyRequest, kind: Kind): Need[] {
  const mounts = kind === 'uploads' && request.method === 'POST' && repeated(request, 'mount').length > 0
  if (!mounts || request.headers.authorization !== undefined) return []
  return repeated(request, 'from').map((from) => ({
    repository: parseProjectRepository(from),
    action: 'pull',
  }))
}

function allow(request: FastifyRequest, reply: FastifyReply, methods: readonly string[]): void {
  if (!methods.includes(request.method)) throw notAllowed(request, reply, methods)
}

function notAllowed(request: FastifyRequest, reply: FastifyReply, methods: readonly string[]): Fault {
  reply.header('allow', methods.join(', '))
  return new Fault('UNSUPPORTED', `${request.method} is not supported here`)
}
