import { open, readdir, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, isFault } from '../../errors.ts'
import { BLOB_WRITE_CHUNK_BYTES } from '../../limits.ts'
import { algorithmOf, type Digest, type DigestAlgorithm, hexOf } from '../../oci/digest.ts'
import type { PieceSink } from '../../registry/piece-sink.ts'
import type { UploadOwner, UploadState, UploadStore } from '../../registry/upload-store.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { ofLength } from './announced-length.ts'
import { BatchWriter } from './batch-writer.ts'
import { diskFault } from './disk-faults.ts'
import type { Hashed, HashWorkers, Tail } from './hash-workers.ts'
import type { DiskLayout } from './layout.ts'
import { putInPlace } from './staged-file.ts'
import { readUpload, type UploadFacts, writeFacts } from './upload-facts.ts'

/** Open at once on a node; each is two files and a line in memory. */
const UPLOADS_OPEN_MAX = 10_000
/** Open at once for one principal, so that one client cannot keep the others from pushing. */
const UPLOADS_OF_PRINCIPAL_MAX = 1_000
/** An upload nobody has touched for a week is given up, as in Distribution. */
const UPLOAD_IDLE_MS_MAX = 7 * 24 * 60 * 60 * 1000
/** How often the given-up ones are looked for. */
const SWEEP_EVERY_MS = 60 * 60 * 1000

export interface DiskUploadStoreParts {
  readonly layout: DiskLayout
  readonly hashing: HashWorkers
  readonly random: Random
  readonly clock: Clock
  /** Is given the piece hashes of what is committed. */
  readonly pieces?: PieceSink | undefined
}

/** Memory is the truth while the node runs, the files are what a restart rebuilds it from. */
interface Session extends UploadFacts {
  readonly id: string
  offset: number
  touchedAt: number
  /** A request has it. */
  busy: boolean
  /** Only once there is enough to hash, and never for an upload a restart has found. */
  tail: Tail | undefined
}

/** Uploads as one file each; appended, hashed right behind, renamed into place. */
export class DiskUploadStore implements UploadStore {
  readonly #layout: DiskLayout
  readonly #hashing: HashWorkers
  readonly #random: Random
  readonly #clock: Clock
  readonly #pieces: PieceSink | undefined
  readonly #sessions = new Map<string, Session>()
  #sweptAt = 0

  constructor(parts: DiskUploadStoreParts) {
    this.#layout = parts.layout
    this.#hashing = parts.hashing
    this.#random = parts.random
    this.#clock = parts.clock
    this.#pieces = parts.pieces
  }

  /** Takes up the uploads of the last run, and removes what is no upload. */
  async start(): Promise<void> {
    await this.#layout.prepare()
    const names = await readdir(this.#layout.uploads)
    const ids = new Set(
      names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length)),
    )
    for (const id of ids) {
      const found = await readUpload(this.#layout, id)
      if (!found) continue
      const { facts, size, touchedAt } = found
      this.#sessions.set(id, { id, ...facts, offset: size, touchedAt, busy: false, tail: undefined })
    }
    for (const name of names) {
      if (!this.#sessions.has(name.replace(/\.(?:json|bytes)$/, ''))) {
        await rm(join(this.#layout.uploads, name), { force: true, recursive: true })
      }
    }
    await this.#sweep()
  }

  async create(owner: UploadOwner, algorithm: DigestAlgorithm = 'sha256'): Promise<UploadState> {
    if (this.#clock.monotonic() - this.#sweptAt > SWEEP_EVERY_MS) await this.#sweep()
    this.#refuseTooMany(owner)
    const id = Buffer.from(this.#random.bytes(16)).toString('base64url')
    const now = this.#clock.now()
    const facts: UploadFacts = { owner, algorithm, startedAt: now }
    const session: Session = { id, ...facts, offset: 0, touchedAt: now, busy: false, tail: undefined }
    this.#sessions.set(id, session)
    try {
      const file = await open(this.#layout.uploadBytes(id), 'wx', 0o600)
      await file.close()
      await writeFacts(this.#layout, id, facts)
    } catch (error) {
      await this.#remove(session)
      throw diskFault(error)
    }
    return stateOf(session)
  }

  async find(id: string): Promise<UploadState | undefined> {
    const session = this.#sessions.get(id)
    return session && stateOf(session)
  }

  async append(
    id: string,
    offset: number,
    bytes: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    length?: number,
  ): Promise<number> {
    return this.#exclusively(id, async (session) => {
      if (offset !== session.offset) {
        throw new Fault('RANGE_INVALID', `the upload stands at ${session.offset}`, { offset: session.offset })
      }
      try {
        await this.#write(session, length === undefined ? bytes : ofLength(bytes, length), signal)
      } catch (error) {
        if (isFault(error, 'SIZE_INVALID')) await this.#rollBack(session, offset)
        const fault = diskFault(error)
        // Nothing but the room it takes could help here, and the client will not come back for it.
        if (fault !== error) await this.#remove(session)
        throw fault
      }
      return session.offset
    })
  }

  async commit(id: string, digest: Digest): Promise<{ readonly size: number }> {
    return this.#exclusively(id, async (session) => {
      try {
        await this.#verify(session, digest)
        await putInPlace(this.#layout, this.#layout.uploadBytes(id), digest)
      } catch (error) {
        await this.#remove(session)
        throw diskFault(error)
      }
      await this.#remove(session)
      return { size: session.offset }
    })
  }

  async cancel(id: string): Promise<boolean> {
    if (!this.#sessions.has(id)) return false
    return this.#exclusively(id, async (session) => {
      await this.#remove(session)
      return true
    })
  }

  async #exclusively<T>(id: string, work: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#sessions.get(id)
    if (!session) throw new Fault('UPLOAD_UNKNOWN', 'there is no such upload', { id })
    if (session.busy) throw new Fault('UPLOAD_BUSY', 'another request is using this upload', { id })
    session.busy = true
    try {
      return await work(session)
    } finally {
      session.busy = false
      session.touchedAt = this.#clock.now()
    }
  }

  async #write(session: Session, bytes: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    const path = this.#layout.uploadBytes(session.id)
    const file = await open(path, 'r+')
    const writer = new BatchWriter(file, session.offset, (position) => {
      session.offset = position
      // Below one batch, hashing at the end costs less than a thread.
      if (position < BLOB_WRITE_CHUNK_BYTES) return
      session.tail ??= this.#hashing.tail(path, session.algorithm, this.#pieceLengthOf)
      session.tail.advance(position)
    })
    try {
      try {
        for await (const chunk of bytes) {
          signal?.throwIfAborted()
          await writer.push(chunk)
        }
      } finally {
        await writer.flush()
      }
    } catch (error) {
      // A write that failed half-way left bytes that were never counted.
      await file.truncate(session.offset).catch(() => {})
      throw error
    } finally {
      await file.close()
    }
  }

  /** What came after `offset` is no part of the upload: the tail may have read it, so hashing begins again. */
  async #rollBack(session: Session, offset: number): Promise<void> {
    session.tail?.drop()
    session.tail = undefined
    await truncate(this.#layout.uploadBytes(session.id), offset)
    session.offset = offset
  }

  /** Resolves when the bytes are proven and on stable storage. */
  async #verify(session: Session, digest: Digest): Promise<void> {
    const path = this.#layout.uploadBytes(session.id)
    const file = await open(path, 'r+')
    try {
      // Where the pieces are kept is another file: the disk may as well do both at once.
      await Promise.all([this.#prove(session, path, digest), file.datasync()])
    } finally {
      await file.close()
    }
  }

  async #prove(session: Session, path: string, digest: Digest): Promise<void> {
    const size = session.offset
    const { hex, pieces } = await this.#hash(session, path, algorithmOf(digest))
    if (hex !== hexOf(digest)) {
      throw new Fault('DIGEST_INVALID', 'the bytes received do not give the digest', { digest, size })
    }
    if (pieces) await this.#pieces?.keep(digest, size, pieces)
  }

  #hash(session: Session, path: string, algorithm: DigestAlgorithm): Promise<Hashed> {
    const { tail, offset } = session
    return tail?.algorithm === algorithm
      ? tail.finish(offset)
      : this.#hashing.hashFile(path, offset, algorithm, this.#pieceLengthOf)
  }

  readonly #pieceLengthOf = (size: number) => this.#pieces?.pieceLengthOf(size)

  async #remove(session: Session): Promise<void> {
    this.#sessions.delete(session.id)
    session.tail?.drop()
    // The facts first: bytes alone are removed at start, facts alone are too.
    await rm(this.#layout.uploadFacts(session.id), { force: true })
    await rm(this.#layout.uploadBytes(session.id), { force: true })
  }

  #refuseTooMany({ principal }: UploadOwner): void {
    const own = [...this.#sessions.values()].filter((session) => session.owner.principal === principal)
    if (own.length < UPLOADS_OF_PRINCIPAL_MAX && this.#sessions.size < UPLOADS_OPEN_MAX) return
    throw new Fault('UPLOADS_TOO_MANY', 'too many uploads are open; finish or cancel some', {
      own: own.length,
    })
  }

  async #sweep(): Promise<void> {
    this.#sweptAt = this.#clock.monotonic()
    const oldest = this.#clock.now() - UPLOAD_IDLE_MS_MAX
    const idle = [...this.#sessions.values()].filter((session) => !session.busy && session.touchedAt < oldest)
    await Promise.all(idle.map((session) => this.#remove(session)))
  }
}

function stateOf({ id, owner, offset, startedAt }: Session): UploadState {
  return { id, owner, offset, startedAt }
}
