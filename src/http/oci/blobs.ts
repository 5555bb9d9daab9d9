import { Fault } from '../../errors.ts'
import { parseDigest } from '../../oci/digest.ts'
import { OCTET_STREAM } from '../../oci/media-types.ts'
import type { ByteRange } from '../../registry/blob-store.ts'
import type { Call, Handler } from './call.ts'
import { isUnchanged } from './etag.ts'
import { parseRange } from './range.ts'
import { begun, sendBlob } from './send-blob.ts'

/** end-2: HEAD /v2/<name>/blobs/<digest> */
export const headBlob: Handler = async ({ registry, name, rest, reply, request }) => {
  const digest = parseDigest(rest)
  const { size } = await registry.blobs.stat(name, digest)
  describe(reply, digest)
  if (isUnchanged(request, digest)) return reply.code(304).send()
  return reply.header('content-length', size).send()
}

/** end-2: GET /v2/<name>/blobs/<digest>, whole or one range of it */
export const getBlob: Handler = async (call) => {
  const { registry, name, rest, reply, request, gone } = call
  const digest = parseDigest(rest)
  if (isUnchanged(request, digest)) {
    await registry.blobs.stat(name, digest)
    describe(reply, digest)
    return reply.code(304).send()
  }
  const blob = await registry.blobs.open(name, digest, gone)
  try {
    describe(reply, digest)
    const range = rangeOf(call, digest, blob.size)
    const bytes = blob.bytes ? undefined : await begunOr(reply, blob.stream(range, gone))
    if (range) {
      reply.code(206).header('content-range', `bytes ${range.first}-${range.last}/${blob.size}`)
    }
    reply.header('content-length', range ? range.last - range.first + 1 : blob.size)
    if (blob.bytes) void reply.send(bufferOf(blob.bytes, range))
    else if (bytes) await sendBlob(reply, bytes)
  } finally {
    await blob.close()
  }
  return reply
}

/** end-10: DELETE /v2/<name>/blobs/<digest> */
export const deleteBlob: Handler = async ({ registry, name, rest, reply, admitted }) => {
  await registry.blobs.delete(name, parseDigest(rest), admitted.principal)
  return reply.code(202).send()
}

function describe(reply: Call['reply'], digest: string): void {
  reply.header('docker-content-digest', digest)
  reply.header('etag', `"${digest}"`)
  reply.header('accept-ranges', 'bytes')
  // Under its digest it never changes, but it is for who may read it.
  reply.header('cache-control', 'private, max-age=31536000, immutable')
  reply.type(OCTET_STREAM)
}

/** What was said of the blob is not true of the answer that there is none. */
async function begunOr(
  reply: Call['reply'],
  bytes: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> {
  try {
    return await begun(bytes)
  } catch (error) {
    for (const name of ['docker-content-digest', 'etag', 'accept-ranges', 'cache-control', 'content-type'])
      reply.removeHeader(name)
    throw error
  }
}

function bufferOf(bytes: Uint8Array, range: ByteRange | undefined): Buffer {
  const { first, last } = range ?? { first: 0, last: bytes.length - 1 }
  return Buffer.from(bytes.buffer, bytes.byteOffset + first, last - first + 1)
}

function rangeOf({ request, reply }: Call, digest: string, size: number) {
  const condition = request.headers['if-range']
  if (condition !== undefined && condition !== `"${digest}"`) return undefined
  const range = parseRange(request.headers.range, size)
  if (range !== 'unsatisfiable') return range
  reply.removeHeader('cache-control').header('content-range', `bytes */${size}`)
  throw new Fault('RANGE_NOT_SATISFIABLE', `the blob has ${size} bytes`, { size })
}
