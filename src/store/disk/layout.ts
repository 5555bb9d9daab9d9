import { mkdir, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '../../errors.ts'
import { algorithmOf, type Digest, type DigestAlgorithm, hexOf, isDigest } from '../../oci/digest.ts'
import { syncDirectory } from '../../runtime/durable-file.ts'

/*
 * <root>/
 *   content/                  committed blobs: whole, verified, durable, read-only from then on
 *     sha256/
 *       3f/                   the first two digits, so that no directory holds more than 1/256 of all
 *         3f4a…               one file a blob, named by its whole hash
 *     sha512/
 *       c1/
 *         c1d0…
 *   staging/                  on its way in; the same volume, so that a rename is all a commit needs
 *     uploads/                from clients, in order, kept across a restart
 *       <id>.json             whose it is and since when
 *       <id>.bytes            what has arrived; its length is how far the upload stands
 *     pieces/                 from other nodes, in any order
 *       <id>                  thrown away at start
 *       sha256-3f4a….<id>/    half arrived, in somebody's hand (halves.ts)
 *         bytes
 *         note                which of them are proven
 *       sha256-3f4a…/         the same, left for whoever wants the blob next
 */

const ALGORITHMS: readonly DigestAlgorithm[] = ['sha256', 'sha512']

/** Where every file of the disk store is. Paths are made of parsed digests and our own ids only. */
export class DiskLayout {
  readonly content: string
  readonly uploads: string
  readonly pieces: string
  /** At most 512: one for each first byte of each algorithm. */
  readonly #made = new Set<string>()

  constructor(root: string) {
    this.content = join(root, 'content')
    this.uploads = join(root, 'staging', 'uploads')
    this.pieces = join(root, 'staging', 'pieces')
  }

  blob(digest: Digest): string {
    return join(this.directoryOf(digest), hexOf(digest))
  }

  directoryOf(digest: Digest): string {
    return join(this.content, algorithmOf(digest), hexOf(digest).slice(0, 2))
  }

  uploadBytes(id: string): string {
    return join(this.uploads, `${id}.bytes`)
  }

  uploadFacts(id: string): string {
    return join(this.uploads, `${id}.json`)
  }

  piece(id: string): string {
    return join(this.pieces, id)
  }

  /** Where a half-arrived blob waits. */
  half(digest: Digest): string {
    return join(this.pieces, `${algorithmOf(digest)}-${hexOf(digest)}`)
  }

  /**
   * Makes the directories a fresh node lacks.
   * @throws Fault STORAGE_SPLIT when staging and content are on two volumes
   */
  async prepare(): Promise<void> {
    const algorithms = ALGORITHMS.map((algorithm) => join(this.content, algorithm))
    for (const path of [this.uploads, this.pieces, ...algorithms]) await mkdir(path, { recursive: true })
    await syncDirectory(this.content)
    await syncDirectory(dirname(this.content))
    const volumes = [this.uploads, this.pieces, ...algorithms].map(async (path) => (await stat(path)).dev)
    if (new Set(await Promise.all(volumes)).size > 1) {
      throw new Fault('STORAGE_SPLIT', 'content and staging must be on one volume: a commit is a rename')
    }
  }

  /** The directory a blob's file goes to, there and durable. */
  async directoryFor(digest: Digest): Promise<string> {
    const directory = this.directoryOf(digest)
    if (!this.#made.has(directory)) {
      await mkdir(directory, { recursive: true })
      await syncDirectory(dirname(directory))
      this.#made.add(directory)
    }
    return directory
  }

  /** Digests of all committed blobs, in no promised order. What an operator left lying there is passed over. */
  async *digests(): AsyncIterable<Digest> {
    for (const algorithm of ALGORITHMS) {
      const directory = join(this.content, algorithm)
      for (const entry of await readdir(directory, { withFileTypes: true })) {
        if (!entry.isDirectory()) continue
        for (const hex of await readdir(join(directory, entry.name))) {
          const digest = `${algorithm}:${hex}`
          if (isDigest(digest) && hex.startsWith(entry.name)) yield digest
        }
      }
    }
  }
}
