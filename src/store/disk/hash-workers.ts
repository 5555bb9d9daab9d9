import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { Fault } from '../../errors.ts'
import { BLOB_WRITE_CHUNK_BYTES } from '../../limits.ts'
import type { DigestAlgorithm } from '../../oci/digest.ts'
import type { HashAnswer, HashRequest, Stretch } from './hash-worker.ts'
import { PieceHashes } from './piece-hashes.ts'

/** Two keep up with two pushes at the speed of SHA-NI; more would only take cores from serving. */
const WORKERS_MAX = 2
/** The most one request makes others wait: some 10 ms. */
const SLICE_BYTES = 16 * 1024 * 1024

// Type stripping runs the source, a build runs the compiled file beside it.
const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './hash-worker.ts' : './hash-worker.js',
  import.meta.url,
)

/** What one pass over a file has found. */
export interface Hashed {
  readonly hex: string
  /** The SHA-1 of each piece, where pieces are wanted of a file of this size. */
  readonly pieces: Uint8Array | undefined
}

/** Bytes of one piece of a file of `size` bytes; see `PieceSink`. */
type PieceLengthOf = (size: number) => number | undefined

const NO_PIECES: PieceLengthOf = () => undefined

/** The hash of a file that follows right behind the writes: it reads what the page cache still holds. */
export interface Tail {
  readonly algorithm: DigestAlgorithm
  /** The file is now written up to `position`. */
  advance(position: number): void
  /** The hashes of the first `size` bytes; the tail is used up. */
  finish(size: number): Promise<Hashed>
  drop(): void
}

/**
 * Hashes files away from the main thread, which has sockets to serve. Threads start with the first file
 * that is worth it.
 */
export class HashWorkers {
  readonly #threads: Thread[] = []
  #stopped = false
  #tails = 0

  tail(path: string, algorithm: DigestAlgorithm, pieceLengthOf: PieceLengthOf = NO_PIECES): Tail {
    return new FileTail(this.#thread(), { id: ++this.#tails, path, algorithm, pieceLengthOf })
  }

  /** The hashes of a whole file; a small one is not worth a trip to a thread. */
  async hashFile(
    path: string,
    size: number,
    algorithm: DigestAlgorithm,
    pieceLengthOf: PieceLengthOf = NO_PIECES,
  ): Promise<Hashed> {
    if (size > BLOB_WRITE_CHUNK_BYTES) return this.tail(path, algorithm, pieceLengthOf).finish(size)
    const bytes = (await readFile(path)).subarray(0, size)
    return { hex: hash(algorithm, bytes, 'hex'), pieces: piecesOf(bytes, pieceLengthOf(size)) }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#threads.splice(0).map((thread) => thread.stop()))
  }

  #thread(): Thread {
    if (this.#stopped) throw new Fault('HASHING_STOPPED', 'the node is stopping')
    const idlest = this.#threads.toSorted((a, b) => a.load - b.load)[0]
    if (idlest && (idlest.load === 0 || this.#threads.length >= WORKERS_MAX)) return idlest
    const thread = new Thread(() => {
      const at = this.#threads.indexOf(thread)
      if (at >= 0) this.#threads.splice(at, 1)
    })
    this.#threads.push(thread)
    return thread
  }
}

function piecesOf(bytes: Uint8Array, pieceLength: number | undefined): Uint8Array | undefined {
  if (pieceLength === undefined) return undefined
  const pieces = new PieceHashes(pieceLength)
  pieces.update(bytes)
  return pieces.finish()
}

type Answer = Exclude<HashAnswer, { error: string }>

interface Waiting {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

class Thread {
  /** Tails that are not finished. */
  load = 0
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  #gone: Error | undefined

  constructor(onGone: () => void) {
    this.#worker = new Worker(WORKER_FILE)
    this.#worker.unref()
    this.#worker.on('message', (answer: HashAnswer) => {
      const waiting = this.#waiting.shift()
      if ('error' in answer) waiting?.reject(new Fault('HASHING_FAILED', answer.error))
      else waiting?.resolve(answer)
    })
    const end = (error: Error) => {
      this.#gone ??= error
      onGone()
      for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#gone)
    }
    this.#worker.on('error', end)
    this.#worker.on('exit', () => end(new Fault('HASHING_STOPPED', 'the hashing thread has ended')))
  }

  ask(request: HashRequest): Promise<Answer> {
    if (this.#gone) return Promise.reject(this.#gone)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker.postMessage(request)
    })
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }
}

interface TailInit {
  readonly id: number
  readonly path: string
  readonly algorithm: DigestAlgorithm
  readonly pieceLengthOf: PieceLengthOf
}

class FileTail implements Tail {
  readonly #thread: Thread
  readonly #init: TailInit
  #target = 0
  #hashed = 0
  /** Up to where the pieces of this length are hashed; a file that grows past its length has them hashed anew. */
  #pieced = 0
  #pieceLength: number | undefined
  #running: Promise<void> | undefined
  #failure: Error | undefined
  #ended = false

  constructor(thread: Thread, init: TailInit) {
    this.#thread = thread
    this.#init = init
    thread.load++
  }

  get algorithm(): DigestAlgorithm {
    return this.#init.algorithm
  }

  advance(position: number): void {
    this.#target = Math.max(this.#target, position)
    if (!this.#running && this.#next()) this.#running = this.#follow()
  }

  async finish(size: number): Promise<Hashed> {
    this.advance(size)
    await this.#running
    if (this.#failure !== undefined) {
      this.drop()
      throw this.#failure
    }
    this.#end()
    const { id, algorithm } = this.#init
    const { hex = '', pieces } = await this.#thread.ask({ type: 'finish', tail: id, algorithm })
    return { hex, pieces }
  }

  drop(): void {
    if (this.#ended) return
    this.#end()
    this.#failure ??= new Fault('HASHING_STOPPED', 'the upload is gone')
    // A thread that is gone has nothing to drop.
    this.#thread.ask({ type: 'drop', tail: this.#init.id }).catch(() => {})
  }

  #end(): void {
    this.#ended = true
    this.#thread.load--
  }

  /** Never rejects: a failure waits for `finish`, which an upload may never come to. */
  async #follow(): Promise<void> {
    const { id, path } = this.#init
    for (let stretch = this.#next(); stretch; stretch = this.#next()) {
      try {
        await this.#thread.ask({ type: 'advance', tail: id, path, ...stretch })
        const end = stretch.from + stretch.length
        if (stretch.algorithm) this.#hashed = end
        if (stretch.pieceLength !== undefined) this.#pieced = end
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Fault('HASHING_FAILED', String(error))
      }
    }
    // In the same turn as the last look at the target: nobody can raise it in between and be missed.
    this.#running = undefined
  }

  /** What is to be hashed next: pieces that began again first, so that from there on one read serves both. */
  #next(): Stretch | undefined {
    if (this.#failure !== undefined) return undefined
    const { algorithm, pieceLengthOf } = this.#init
    const pieceLength = pieceLengthOf(this.#target)
    if (pieceLength !== this.#pieceLength) {
      this.#pieceLength = pieceLength
      this.#pieced = 0
    }
    const slice = (from: number, end: number) => ({ from, length: Math.min(SLICE_BYTES, end - from) })
    if (pieceLength !== undefined && this.#pieced < this.#hashed) {
      return { ...slice(this.#pieced, this.#hashed), algorithm: undefined, pieceLength }
    }
    if (this.#hashed >= this.#target) return undefined
    return { ...slice(this.#hashed, this.#target), algorithm, pieceLength }
  }
}
