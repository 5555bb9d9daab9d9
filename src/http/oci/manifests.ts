import { MANIFEST_BYTES_MAX } from '../../limits.ts'
import { parseReference, parseTag } from '../../oci/reference.ts'
import type { StoredManifest } from '../../registry/manifests.ts'
import { type Call, type Handler, repeated } from './call.ts'
import { isUnchanged } from './etag.ts'
import { readBody } from './read-body.ts'

/** end-3: HEAD /v2/<name>/manifests/<reference> */
export const headManifest: Handler = async (call) => {
  const stored = await call.registry.manifests.stat(call.name, parseReference(call.rest))
  describe(call, stored)
  if (isUnchanged(call.request, stored.digest)) return call.reply.code(304).send()
  return call.reply.header('content-length', stored.facts.size).send()
}

/** end-3: GET /v2/<name>/manifests/<reference> */
export const getManifest: Handler = async (call) => {
  const { registry, name, rest, gone, request, reply } = call
  const stored = await registry.manifests.get(name, parseReference(rest), gone)
  describe(call, stored)
  if (isUnchanged(request, stored.digest)) return reply.code(304).send()
  // Bytes, not a string: Fastify would add a charset to the type.
  return reply.send(Buffer.from(stored.bytes.buffer, stored.bytes.byteOffset, stored.bytes.byteLength))
}

/** end-7: PUT /v2/<name>/manifests/<reference>, by digest also with `?tag=` once or more */
export const putManifest: Handler = async (call) => {
  const { registry, name, rest, request, reply, admitted } = call
  const reference = parseReference(rest)
  const named = 'digest' in reference
  const tags = named ? repeated(request, 'tag').map(parseTag) : [reference.tag]
  const bytes = await readBody(request.raw, MANIFEST_BYTES_MAX)
  const contentType = request.headers['content-type']
  const push = { bytes, contentType, tags, digest: named ? reference.digest : undefined }
  const pushed = await registry.manifests.put(name, push, admitted.principal)
  reply.code(201)
  reply.header('location', `/v2/${name}/manifests/${pushed.digest}`)
  reply.header('docker-content-digest', pushed.digest)
  if (pushed.subject) reply.header('oci-subject', pushed.subject)
  // A list: the second header of a name would overwrite the first.
  if (named && pushed.tags.length > 0) reply.header('oci-tag', pushed.tags)
  // RFC 7234, section 5.5, as distribution-spec asks for warnings.
  if (pushed.warning !== undefined) reply.header('warning', `299 - "${pushed.warning}"`)
  return reply.send()
}

/** end-9: DELETE /v2/<name>/manifests/<reference> */
export const deleteManifest: Handler = async ({ registry, name, rest, reply, admitted }) => {
  const reference = parseReference(rest)
  if ('digest' in reference) await registry.manifests.delete(name, reference.digest, admitted.principal)
  else await registry.tags.delete(name, reference.tag, admitted.principal)
  return reply.code(202).send()
}

function describe({ reply }: Call, { digest, facts }: StoredManifest): void {
  reply.header('docker-content-digest', digest)
  reply.header('etag', `"${digest}"`)
  reply.type(facts.mediaType)
}
