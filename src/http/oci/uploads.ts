import { Fault, isFault } from '../../errors.ts'
import { type DigestAlgorithm, parseDigest } from '../../oci/digest.ts'
import { parseProjectRepository } from '../../registry/place.ts'
import type { UploadState } from '../../registry/upload-store.ts'
import type { Owner } from '../../registry/uploads.ts'
import { type Call, type Handler, single } from './call.ts'
import { parseContentRange, receivedRange } from './range.ts'
import { bodyOf, hasBody } from './read-body.ts'

/** end-4a, end-4b, end-11: POST /v2/<name>/blobs/uploads/ begins, takes it all at once, or mounts */
export const startUpload: Handler = async (call) => {
  const { request, registry } = call
  if (await mounted(call)) return created(call, single(request, 'mount') ?? '')
  const digest = single(request, 'digest')
  if (digest === undefined) {
    const state = await registry.uploads.start(ownerOf(call), algorithmParameter(call))
    return standing(call, state).code(202).send()
  }
  return uploadAtOnce(call, digest)
}

/** end-13: GET /v2/<name>/blobs/uploads/<id> */
export const uploadStatus: Handler = async (call) => {
  const state = await call.registry.uploads.find(ownerOf(call), call.rest)
  return standing(call, state).code(204).send()
}

/** end-5: PATCH /v2/<name>/blobs/uploads/<id>, one chunk or a stream of unknown length */
export const appendUpload: Handler = async (call) => {
  const state = await append(call, call.rest)
  return standing(call, state).code(202).send()
}

/** end-6: PUT /v2/<name>/blobs/uploads/<id>?digest=, with the last bytes or none */
export const finishUpload: Handler = async (call) => {
  const digest = parseDigest(single(call.request, 'digest') ?? '')
  if (hasBody(call.request.raw)) await append(call, call.rest)
  await call.registry.uploads.finish(ownerOf(call), call.rest, digest)
  return created(call, digest)
}

/** end-14: DELETE /v2/<name>/blobs/uploads/<id> */
export const cancelUpload: Handler = async (call) => {
  await call.registry.uploads.cancel(ownerOf(call), call.rest)
  return call.reply.code(204).send()
}

async function mounted({ request, registry, name, admitted }: Call): Promise<boolean> {
  const mount = single(request, 'mount')
  if (mount === undefined) return false
  const from = single(request, 'from')
  const source = from === undefined ? undefined : parseProjectRepository(from)
  return registry.blobs.mount(name, parseDigest(mount), admitted, source)
}

async function uploadAtOnce(call: Call, digestText: string) {
  const { uploads } = call.registry
  const owner = ownerOf(call)
  const digest = parseDigest(digestText)
  const { id } = await uploads.start(owner, algorithmParameter(call))
  try {
    await append(call, id)
    await uploads.finish(owner, id, digest)
  } catch (error) {
    // The client never learned of the upload, so nobody could go on with it.
    await uploads.cancel(owner, id).catch(() => {})
    throw error
  }
  return created(call, digest)
}

async function append(call: Call, id: string): Promise<UploadState> {
  const { request, registry, gone } = call
  const owner = ownerOf(call)
  const header = request.headers['content-range']
  const range = header === undefined ? undefined : parseContentRange(header)
  if (header !== undefined && !range) {
    throw new Fault('CONTENT_RANGE_INVALID', 'Content-Range is <first>-<last>', {
      header: header.slice(0, 80),
    })
  }
  const part = range ? { offset: range.first, length: range.last - range.first + 1 } : {}
  try {
    return await registry.uploads.append(owner, id, { bytes: bodyOf(request.raw), ...part }, gone)
  } catch (error) {
    // Tells the client where to go on.
    if (isFault(error, 'RANGE_INVALID') || isFault(error, 'SIZE_INVALID'))
      standing(call, await registry.uploads.find(owner, id))
    throw error
  }
}

function ownerOf({ name, admitted }: Call): Owner {
  return { principal: admitted.principal, repository: name }
}

function algorithmParameter({ request }: Call): DigestAlgorithm | undefined {
  const algorithm = single(request, 'digest-algorithm')
  if (algorithm === undefined || algorithm === 'sha256' || algorithm === 'sha512') return algorithm
  throw new Fault('DIGEST_INVALID', 'this registry knows sha256 and sha512', {
    algorithm: algorithm.slice(0, 40),
  })
}

function standing({ reply, name }: Call, { id, offset }: UploadState) {
  return reply
    .header('location', `/v2/${name}/blobs/uploads/${id}`)
    .header('range', receivedRange(offset))
    .header('docker-upload-uuid', id)
}

function created({ reply, name }: Call, digest: string) {
  return reply
    .code(201)
    .header('location', `/v2/${name}/blobs/${digest}`)
    .header('docker-content-digest', digest)
    .send()
}
