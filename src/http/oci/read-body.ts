import type { IncomingMessage } from 'node:http'
import { Fault } from '../../errors.ts'

/**
 * The body in chunks. Who leaves off half-way can still answer: the rest is read and thrown away, because
 * a socket that is cut while its client sends loses the answer, and one that is left paused never closes.
 */
export async function* bodyOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  try {
    yield* request.iterator({ destroyOnReturn: false })
  } finally {
    request.resume()
  }
}

/** Whether the request announces a body at all. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/**
 * The whole of a small body. One that is somewhat too large is still read to its end: a client that is cut
 * off while it sends never reads why.
 * @throws Fault MANIFEST_TOO_LARGE
 */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of bodyOf(request)) {
    length += chunk.length
    if (length <= bytesMax) chunks.push(chunk)
    else if (length > 2 * bytesMax) break
    else chunks.length = 0
  }
  if (length > bytesMax) {
    throw new Fault('MANIFEST_TOO_LARGE', `a manifest has at most ${bytesMax} bytes`, { size: length })
  }
  return Buffer.concat(chunks)
}
