import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { type Digest, isDigest, parseDigest } from '../../oci/digest.ts'
import type { Clock } from '../../runtime/clock.ts'
import { syncDirectory, writeDurable } from '../../runtime/durable-file.ts'
import type { Random } from '../../runtime/random.ts'
import { isAbsent } from './disk-faults.ts'
import type { DiskLayout } from './layout.ts'

/** Left at once; as many as the swarm fetches at once. */
const LEFT_MAX = 64
/** What all of them may take of the disk: a node that was stopped while it pulled a few large images. */
const LEFT_BYTES_MAX = 16 * 1024 * 1024 * 1024
/** A pull that nobody has come back to in two days is given up. */
const LEFT_MS_MAX = 2 * 24 * 60 * 60 * 1000

/** A directory with the bytes of one blob and a note about them, in the hand of one writer. */
export interface Half {
  readonly path: string
  readonly file: FileHandle
  /** As the one before left it. */
  readonly note: Uint8Array | undefined
  /** @param durable whether a power cut must leave it; a crash of the node does in any case */
  write(note: Uint8Array, durable: boolean): Promise<void>
  leave(): Promise<void>
  remove(): Promise<void>
}

export interface HalvesParts {
  readonly layout: DiskLayout
  readonly random: Random
  readonly clock: Clock
}

/**
 * Half-arrived blobs. All that is to be known of them is in their names, so that a crash at any moment leaves
 * what the next start can read: `<digest>.<id>` is in somebody's hand, `<digest>` waits for somebody. Of
 * one digest one waits at most.
 */
export class Halves {
  readonly #layout: DiskLayout
  readonly #random: Random
  readonly #clock: Clock

  constructor(parts: HalvesParts) {
    this.#layout = parts.layout
    this.#random = parts.random
    this.#clock = parts.clock
  }

  /** Nobody has any in hand yet: what a crash left there waits from now on; what is no half is removed. */
  async start(): Promise<void> {
    for (const name of await readdir(this.#layout.pieces)) {
      const directory = join(this.#layout.pieces, name)
      const digest = digestIn(name)
      const waits = digest && (await isWhole(directory))
      if (!waits) await rm(directory, { recursive: true, force: true })
      else if (directory !== this.#layout.half(digest)) await this.#putBack(directory, digest)
    }
    await this.#sweep()
  }

  /** The one that waits under the digest, or a fresh one. */
  async take(digest: Digest): Promise<Half> {
    const id = Buffer.from(this.#random.bytes(16)).toString('base64url')
    const directory = `${this.#layout.half(digest)}.${id}`
    const path = join(directory, 'bytes')
    const notePath = join(directory, 'note')
    const found = await rename(this.#layout.half(digest), directory).then(() => true, absent)
    if (!found) await mkdir(directory, { mode: 0o700 })
    try {
      const note = found ? await readFile(notePath) : undefined
      const file = await open(path, found ? 'r+' : 'wx+', 0o600)
      return {
        path,
        file,
        note,
        write: async (note, durable) => {
          if (!durable) return writeFile(notePath, note, { mode: 0o600 })
          await writeDurable(notePath, note, 0o600)
          await syncDirectory(this.#layout.pieces)
        },
        leave: async () => {
          await this.#putBack(directory, digest)
          await this.#sweep()
        },
        remove: () => rm(directory, { recursive: true, force: true }),
      }
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  /** Over an older one: of two that fetched the same bytes the last has most likely more. */
  async #putBack(directory: string, digest: Digest): Promise<void> {
    const place = this.#layout.half(digest)
    await rm(place, { recursive: true, force: true })
    await rename(directory, place)
  }

  /** Keeps the latest of those that wait, within their bounds, and none whose blob has come another way. */
  async #sweep(): Promise<void> {
    const waiting: { path: string; at: number; bytes: number }[] = []
    for (const name of await readdir(this.#layout.pieces)) {
      const path = join(this.#layout.pieces, name)
      const digest = digestIn(name)
      if (!digest || path !== this.#layout.half(digest)) continue
      const [note, bytes, blob] = await Promise.all([
        stat(join(path, 'note')).catch(absent),
        stat(join(path, 'bytes')).catch(absent),
        stat(this.#layout.blob(digest)).catch(absent),
      ])
      // Without both somebody has taken it up in this moment.
      if (note && bytes) waiting.push({ path, at: blob ? 0 : note.mtimeMs, bytes: bytes.blocks * 512 })
    }
    let [count, total] = [0, 0]
    for (const { path, at, bytes } of waiting.sort((a, b) => b.at - a.at)) {
      count++
      total += bytes
      const fits = count <= LEFT_MAX && total <= LEFT_BYTES_MAX && at > this.#clock.now() - LEFT_MS_MAX
      if (!fits) await rm(path, { recursive: true, force: true })
    }
  }
}

/** The digest a directory is named by, `sha256-3f4a…` or `sha256-3f4a….<id>`. */
function digestIn(name: string): Digest | undefined {
  const text = name.replace(/\..*$/, '').replace('-', ':')
  return isDigest(text) ? parseDigest(text) : undefined
}

async function isWhole(directory: string): Promise<boolean> {
  try {
    await Promise.all(['bytes', 'note'].map((name) => stat(join(directory, name))))
    return true
  } catch {
    return false
  }
}

function absent(error: unknown): false {
  if (isAbsent(error)) return false
  throw error
}
