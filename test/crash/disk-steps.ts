import { readdirSync, statSync } from 'node:fs'
import promises, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'

/** The process dies when it comes to that step: before it is taken, or as soon as the disk has it. */
export interface Kill {
  readonly at: number
  readonly when: 'before' | 'after'
}

export interface Watch {
  readonly kill: Kill | null
  /** Told of every step that was taken and outlived. */
  readonly onStep: (name: string) => void
}

/** Opening for reading only changes nothing. */
const READS = new Set<unknown>([undefined, 'r', 'rs'])

type Call = (...args: never[]) => Promise<unknown>

/**
 * Counts every change this process makes to its disk, by LevelDB's batches and Node's own file functions, from
 * outside the product: the libraries beneath it are wrapped.
 */
export async function watchDisk({ kill, onStep }: Watch): Promise<void> {
  let steps = 0
  const wrap = (target: object, method: string, name: string, counts?: (...args: unknown[]) => boolean) => {
    const original = Reflect.get(target, method) as Call
    const watched = async function (this: unknown, ...args: never[]) {
      if (counts?.(...args) === false) return original.apply(this, args)
      const step = ++steps
      if (kill?.at === step && kill.when === 'before') die()
      const result = await original.apply(this, args)
      if (kill?.at === step) die()
      onStep(name)
      return result
    }
    Reflect.set(target, method, watched)
  }
  const handle = await promises.open('/dev/null')
  const file = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  for (const method of ['write', 'writev', 'writeFile', 'sync', 'datasync', 'truncate'] as const)
    wrap(file, method, method)
  wrap(promises, 'open', 'open', (_, flags) => !READS.has(flags))
  for (const method of ['rename', 'link', 'unlink', 'rm', 'mkdir', 'writeFile', 'truncate'] as const)
    wrap(promises, method, method)
  syncBuiltinESMExports()
  wrap(ClassicLevel.prototype, 'batch', 'batch')
}

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}

/** LevelDB's newest log and how long it is. */
export function newestLog(journal: string): { file: string; bytes: number } | undefined {
  const file = readdirSync(journal)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .at(-1)
  return file === undefined ? undefined : { file, bytes: statSync(join(journal, file)).size }
}
