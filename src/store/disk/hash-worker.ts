import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { BLOB_READ_CHUNK_BYTES } from '../../limits.ts'
import type { DigestAlgorithm } from '../../oci/digest.ts'

/** What `HashWorkers` asks of its threads; every request is answered once, in order. */
export type HashRequest =
  | { type: 'advance'; tail: number; algorithm: DigestAlgorithm; path: string; from: number; length: number }
  | { type: 'finish'; tail: number; algorithm: DigestAlgorithm }
  | { type: 'drop'; tail: number }

export type HashAnswer = { hex?: string } | { error: string }

const hashes = new Map<number, Hash>()
const buffer = Buffer.allocUnsafeSlow(BLOB_READ_CHUNK_BYTES)

function serve(request: HashRequest): HashAnswer {
  if (request.type === 'drop') {
    hashes.delete(request.tail)
    return {}
  }
  const hash = hashes.get(request.tail) ?? createHash(request.algorithm)
  if (request.type === 'finish') {
    hashes.delete(request.tail)
    return { hex: hash.digest('hex') }
  }
  hashes.set(request.tail, hash)
  advance(hash, request)
  return {}
}

function advance(hash: Hash, { path, from, length }: Extract<HashRequest, { type: 'advance' }>): void {
  const fd = openSync(path, 'r')
  try {
    let position = from
    const end = from + length
    while (position < end) {
      const got = readSync(fd, buffer, 0, Math.min(buffer.length, end - position), position)
      if (got === 0) throw new Error(`the file ends at ${position}, before ${end}`)
      hash.update(buffer.subarray(0, got))
      position += got
    }
  } finally {
    closeSync(fd)
  }
}

parentPort?.on('message', (request: HashRequest) => {
  let answer: HashAnswer
  try {
    answer = serve(request)
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) }
  }
  parentPort?.postMessage(answer)
})
