import { linkSync, lstatSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** What a disk that loses its power now may have lost of one node. */
export interface Unsynced {
  /** Names that changed in a directory nobody has synced since, oldest first. */
  readonly names: readonly NameChange[]
  /** Files with bytes that no fsync covers. */
  readonly files: readonly { readonly inode: number; readonly covered: number }[]
  /** How much of LevelDB's newest log was there when the last write that asked for an fsync came back. */
  readonly log: { readonly file: string; readonly bytes: number } | undefined
}

export interface NameChange {
  readonly path: string
  /** Where that which had the name before is kept; null where nothing had it. */
  readonly before: string | null
}

/**
 * What of a node's directory is on stable storage, by the promises of fsync alone: bytes by an fsync of their file,
 * names by one of their directory. Of LevelDB only its log is looked at, and whether a write asked to be synced.
 */
export class Durability {
  readonly #root: string
  readonly #graveyard: string
  readonly #files = new Map<number, number>()
  #names: NameChange[] = []
  #log: Unsynced['log']
  #buried = 0

  constructor(root: string) {
    this.#root = root
    this.#graveyard = `${root}.buried`
  }

  get unsynced(): Unsynced {
    const files = [...this.#files].map(([inode, covered]) => ({ inode, covered }))
    return { names: this.#names, files, log: this.#log }
  }

  /** What LevelDB's log holds now is on the disk. */
  logSynced(): void {
    this.#log = newestLog(join(this.#root, 'journal')) ?? this.#log
  }

  /** The file behind `fd` is about to be written, from `position` or from its end. */
  writing(fd: number, path: string, position: unknown): void {
    const { ino, size } = statSync(`/proc/self/fd/${fd}`)
    if (path === '') return
    const from = typeof position === 'number' ? Math.min(position, size) : size
    this.#files.set(ino, Math.min(from, this.#files.get(ino) ?? from))
  }

  synced(fd: number, path: string): void {
    const { ino } = statSync(`/proc/self/fd/${fd}`)
    this.#files.delete(ino)
    this.#names = this.#names.filter((change) => dirname(change.path) !== path)
  }

  /** @returns to be called once it has happened */
  opening(path: string, flags: unknown): () => void {
    const is = lstatSync(path, { throwIfNoEntry: false })
    return () => {
      if (!is) this.#names.push({ path, before: null })
      else if (typeof flags === 'string' && flags.startsWith('w')) this.#files.set(is.ino, 0)
    }
  }

  writingWhole(path: string): () => void {
    const named = this.opening(path, 'w')
    return () => {
      named()
      this.#files.set(statSync(path).ino, 0)
    }
  }

  making(path: string): () => void {
    const missing: NameChange[] = []
    for (let at = path; !lstatSync(at, { throwIfNoEntry: false }); at = dirname(at))
      missing.unshift({ path: at, before: null })
    return () => this.#names.push(...missing)
  }

  renaming(from: string, to: string): () => void {
    const [source, target] = [this.#bury(from), this.#bury(to)]
    return () => this.#names.push({ path: to, before: target }, { path: from, before: source })
  }

  linking(path: string): () => void {
    return () => this.#names.push({ path, before: null })
  }

  removing(path: string): () => void {
    const before = this.#bury(path)
    return () => {
      if (before !== null) this.#names.push({ path, before })
    }
  }

  /** Keeps what has that name, by a second one. */
  #bury(path: string): string | null {
    if (!lstatSync(path, { throwIfNoEntry: false })) return null
    const grave = join(this.#graveyard, `${this.#buried++}-${basename(path)}`)
    mkdirSync(this.#graveyard, { recursive: true })
    keep(path, grave)
    return grave
  }
}

function keep(from: string, to: string): void {
  if (!lstatSync(from).isDirectory()) return linkSync(from, to)
  mkdirSync(to)
  for (const name of readdirSync(from)) keep(join(from, name), join(to, name))
}

/** LevelDB's newest log and how long it is. */
export function newestLog(journal: string): { file: string; bytes: number } | undefined {
  if (!lstatSync(journal, { throwIfNoEntry: false })) return undefined
  const file = readdirSync(journal)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .at(-1)
  return file === undefined ? undefined : { file, bytes: statSync(join(journal, file)).size }
}
