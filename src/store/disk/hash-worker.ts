import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { BLOB_READ_CHUNK_BYTES } from '../../limits.ts'
import type { DigestAlgorithm } from '../../oci/digest.ts'
import { PieceHashes } from './piece-hashes.ts'

/** What `HashWorkers` asks of its threads; every request is answered once, in order. */
export type HashRequest =
  | ({ type: 'advance'; tail: number; path: string } & Stretch)
  | { type: 'finish'; tail: number; algorithm: DigestAlgorithm }
  | { type: 'drop'; tail: number }

/** Bytes of a file, and what they go into; pieces begin again with a stretch from 0. */
export interface Stretch {
  readonly from: number
  readonly length: number
  readonly algorithm: DigestAlgorithm | undefined
  readonly pieceLength: number | undefined
}

export type HashAnswer = { hex?: string; pieces?: Uint8Array | undefined } | { error: string }

interface Tail {
  digest?: Hash
  pieces?: PieceHashes
}

const tails = new Map<number, Tail>()
const buffer = Buffer.allocUnsafeSlow(BLOB_READ_CHUNK_BYTES)

function serve(request: HashRequest): HashAnswer {
  const tail = tails.get(request.tail) ?? {}
  if (request.type === 'advance') {
    tails.set(request.tail, tail)
    advance(tail, request)
    return {}
  }
  tails.delete(request.tail)
  if (request.type === 'drop') return {}
  const digest = tail.digest ?? createHash(request.algorithm)
  return { hex: digest.digest('hex'), pieces: tail.pieces?.finish() }
}

function advance(tail: Tail, stretch: { readonly path: string } & Stretch): void {
  const { path, from, length, algorithm, pieceLength } = stretch
  if (algorithm) tail.digest ??= createHash(algorithm)
  if (pieceLength !== undefined && from === 0) tail.pieces = new PieceHashes(pieceLength)
  const fd = openSync(path, 'r')
  try {
    let position = from
    const end = from + length
    while (position < end) {
      const got = readSync(fd, buffer, 0, Math.min(buffer.length, end - position), position)
      if (got === 0) throw new Error(`the file ends at ${position}, before ${end}`)
      const bytes = buffer.subarray(0, got)
      if (algorithm) tail.digest?.update(bytes)
      if (pieceLength !== undefined) tail.pieces?.update(bytes)
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
