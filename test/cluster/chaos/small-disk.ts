import { execFile } from 'node:child_process'
import { mkdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Room for ten schedules' pushes and LevelDB's reserve; sparse, so it costs what is written. */
const SIZE = '256M'

/** A file system of its own for one node's data, which can run full without the machine running full. */
export class SmallDisk {
  readonly path: string
  readonly #image: string

  constructor(path: string) {
    this.path = path
    this.#image = `${path}.img`
  }

  async mount(): Promise<void> {
    await mkdir(this.path, { recursive: true })
    await run('truncate', ['-s', SIZE, this.#image])
    await run('mkfs.ext4', ['-q', '-m', '0', this.#image])
    await run('mount', ['-o', 'loop', this.#image, this.path])
  }

  /** Takes all room but `leave` bytes. */
  async fill(leave: number): Promise<void> {
    const { bavail, bsize } = await statfs(this.path)
    const take = bavail * bsize - leave
    if (take > 0) await run('fallocate', ['-l', String(take), this.#ballast]).catch(() => {})
  }

  async empty(): Promise<void> {
    await rm(this.#ballast, { force: true })
  }

  async unmount(): Promise<void> {
    await run('umount', ['-l', this.path])
    await rm(this.#image, { force: true })
  }

  get #ballast(): string {
    return join(this.path, 'ballast')
  }
}
