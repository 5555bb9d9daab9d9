import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { Fault } from '../../errors.ts'
import { BLOB_WRITE_CHUNK_BYTES } from '../../limits.ts'
import type { DigestAlgorithm } from '../../oci/digest.ts'
import type { HashAnswer, HashRequest } from './hash-worker.ts'

/** Two keep up with two pushes at the speed of SHA-NI; more would only take cores from serving. */
const WORKERS_MAX = 2
/** The most one request makes others wait: some 10 ms. */
const SLICE_BYTES = 16 * 1024 * 1024

// Type stripping runs the source, a build runs the compiled file beside it.
const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './hash-worker.ts' : './hash-worker.js',
  import.meta.url,
)

/** The hash of a file that follows right behind the writes: it reads what the page cache still holds. */
export interface Tail {
  readonly algorithm: DigestAlgorithm
  /** The file is now written up to `position`. */
  advance(position: number): void
  /** The hash of the first `size` bytes, in hexadecimal; the tail is used up. */
  finish(size: number): Promise<string>
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

  tail(path: string, algorithm: DigestAlgorithm): Tail {
    return new FileTail(this.#thread(), ++this.#tails, path, algorithm)
  }

  /** The hash of a whole file; a small one is not worth a trip to a thread. */
  async hashFile(path: string, size: number, algorithm: DigestAlgorithm): Promise<string> {
    if (size > BLOB_WRITE_CHUNK_BYTES) return this.tail(path, algorithm).finish(size)
    const bytes = await readFile(path)
    return hash(algorithm, bytes.subarray(0, size), 'hex')
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

interface Waiting {
  readonly resolve: (answer: { hex?: string }) => void
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

  ask(request: HashRequest): Promise<{ hex?: string }> {
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

class FileTail implements Tail {
  readonly algorithm: DigestAlgorithm
  readonly #thread: Thread
  readonly #id: number
  readonly #path: string
  #target = 0
  #hashed = 0
  #running: Promise<void> | undefined
  #failure: Error | undefined
  #ended = false

  constructor(thread: Thread, id: number, path: string, algorithm: DigestAlgorithm) {
    this.#thread = thread
    this.#id = id
    this.#path = path
    this.algorithm = algorithm
    thread.load++
  }

  advance(position: number): void {
    this.#target = Math.max(this.#target, position)
    if (!this.#running && this.#unfinished()) this.#running = this.#follow()
  }

  async finish(size: number): Promise<string> {
    this.advance(size)
    await this.#running
    if (this.#failure !== undefined) {
      this.drop()
      throw this.#failure
    }
    this.#end()
    const { hex } = await this.#thread.ask({ type: 'finish', tail: this.#id, algorithm: this.algorithm })
    return hex ?? ''
  }

  drop(): void {
    if (this.#ended) return
    this.#end()
    this.#failure ??= new Fault('HASHING_STOPPED', 'the upload is gone')
    // A thread that is gone has nothing to drop.
    this.#thread.ask({ type: 'drop', tail: this.#id }).catch(() => {})
  }

  #end(): void {
    this.#ended = true
    this.#thread.load--
  }

  /** Never rejects: a failure waits for `finish`, which an upload may never come to. */
  async #follow(): Promise<void> {
    while (this.#unfinished()) {
      const length = Math.min(SLICE_BYTES, this.#target - this.#hashed)
      const where = {
        tail: this.#id,
        algorithm: this.algorithm,
        path: this.#path,
        from: this.#hashed,
        length,
      }
      try {
        await this.#thread.ask({ type: 'advance', ...where })
        this.#hashed += length
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Fault('HASHING_FAILED', String(error))
      }
    }
    // In the same turn as the last look at the target: nobody can raise it in between and be missed.
    this.#running = undefined
  }

  #unfinished(): boolean {
    return this.#hashed < this.#target && this.#failure === undefined
  }
}
