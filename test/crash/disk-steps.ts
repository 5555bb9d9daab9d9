import promises, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { ClassicLevel } from 'classic-level'
import { Durability, type Unsynced } from './durability.ts'

/** The node stands still when it comes to that step: before it is taken, or as soon as the disk has it. */
export interface Kill {
  readonly at: number
  readonly when: 'before' | 'after'
}

/** Where a node was held, and what a disk without power would not have. */
export interface Held {
  readonly step: string
  readonly unsynced: Unsynced
}

/** What a program with a fault planted in it does not wait for: LevelDB's log, or its own files and directories. */
export type Forgets = 'log' | 'files'

type Call = (...args: never[]) => Promise<unknown>
/** Opening for reading only changes nothing. */
const READS = new Set<unknown>([undefined, 'r', 'rs'])

/**
 * One of the nodes in this process. Held at its failpoint it changes nothing on its disk any more: when the process
 * is killed, its directory is that of a node killed at that step.
 */
export class Victim {
  readonly root: string
  readonly durability: Durability
  /** Steps are counted from when this is set. */
  counts = false
  readonly held: Promise<Held>
  readonly #kill: Kill | null
  readonly #onStep: (name: string) => void
  #hold: (held: Held) => void = () => {}
  #isHeld = false
  #steps = 0

  constructor(root: string, kill: Kill | null, onStep: (name: string) => void) {
    this.root = root
    this.durability = new Durability(root)
    this.#kill = kill
    this.#onStep = onStep
    this.held = new Promise((resolve) => {
      this.#hold = resolve
    })
  }

  /**
   * @param call what is done to the disk
   * @param isDurable whether that which `done` says is so once `call` is over, even where the node is held there
   */
  async take<T>(
    name: string,
    call: () => Promise<T>,
    options: { changes?: boolean; done?: (() => void) | undefined; isDurable?: boolean },
  ): Promise<T> {
    const { changes = true, done, isDurable = true } = options
    if (this.#isHeld) return stands
    const step = this.counts && changes ? ++this.#steps : 0
    const isLast = step > 0 && this.#kill?.at === step
    if (isLast && this.#kill.when === 'before') return this.#stop(name)
    const result = await call()
    if (this.#isHeld) return stands
    if (isDurable || !isLast) done?.()
    if (isLast) return this.#stop(name)
    if (step > 0) this.#onStep(name)
    return result
  }

  #stop(step: string): Promise<never> {
    this.#isHeld = true
    this.#hold({ step, unsynced: this.durability.unsynced })
    return stands
  }
}

const stands = new Promise<never>(() => {})
/** A file whose user stands still must not be closed as rubbish. */
const kept: unknown[] = []

/**
 * Sees every change this process makes to the disks of its nodes, by LevelDB's batches and Node's own file functions,
 * from outside the product: the libraries beneath it are wrapped.
 */
export async function watchDisks(victims: readonly Victim[], forgets?: Forgets): Promise<void> {
  const of = (path: unknown) => victims.find(({ root }) => typeof path === 'string' && isIn(path, root))
  const paths = new WeakMap<object, string>()
  const handle = await promises.open('/dev/null')
  const file = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()

  replace(promises, 'open', async (original, self, args) => {
    const [path, flags] = args as unknown as [string, unknown]
    const victim = of(path)
    const call = async () => {
      const opened = (await original.apply(self, args)) as FileHandle
      paths.set(opened, path)
      kept.push(opened)
      return opened
    }
    if (!victim) return call()
    const changes = !READS.has(flags)
    return victim.take('open', call, {
      changes,
      done: changes ? victim.durability.opening(path, flags) : undefined,
    })
  })
  for (const method of ['write', 'writev', 'writeFile', 'truncate', 'sync', 'datasync'] as const) {
    replace(file, method, async (original, self, args) => {
      const opened = self as FileHandle
      const path = paths.get(opened) ?? ''
      const victim = of(path)
      const call = () => original.apply(self, args)
      if (!victim) return call()
      const { durability } = victim
      if (method === 'sync' || method === 'datasync') {
        if (forgets === 'files') return victim.take(method, async () => {}, {})
        return victim.take(method, call, { done: () => durability.synced(opened.fd, path) })
      }
      if (method === 'truncate') return victim.take(method, call, {})
      const position = method === 'write' ? args[3] : undefined
      const writes = () => {
        durability.writing(opened.fd, path, position)
        return call()
      }
      return victim.take(method, writes, {})
    })
  }
  const changes = {
    rename: (victim: Victim, from: string, to: string) => victim.durability.renaming(from, to),
    link: (victim: Victim, _: string, to: string) => victim.durability.linking(to),
    unlink: (victim: Victim, path: string) => victim.durability.removing(path),
    rm: (victim: Victim, path: string) => victim.durability.removing(path),
    mkdir: (victim: Victim, path: string) => victim.durability.making(path),
    writeFile: (victim: Victim, path: string) => victim.durability.writingWhole(path),
    truncate: () => undefined,
  }
  for (const [method, change] of Object.entries(changes)) {
    replace(promises, method, async (original, self, args) => {
      const [path, to] = args as unknown as [string, string]
      const victim = of(path)
      const call = () => original.apply(self, args)
      if (!victim) return call()
      let done: (() => void) | undefined
      const calls = () => {
        done = change(victim, path, to)
        return call()
      }
      return victim.take(method, calls, { done: () => done?.() })
    })
  }
  syncBuiltinESMExports()
  replace(ClassicLevel.prototype, 'batch', async (original, self, args) => {
    const victim = of((self as ClassicLevel).location)
    const call = () => original.apply(self, args)
    if (!victim) return call()
    const { sync } = (args[1] ?? {}) as { sync?: boolean }
    const done = sync === true && forgets !== 'log' ? () => victim.durability.logSynced() : undefined
    // Held there, power may fail while the fsync is under way.
    return victim.take('batch', call, { done, isDurable: false })
  })
}

function isIn(path: string, root: string): boolean {
  return path === root || path.startsWith(`${root}/`)
}

function replace(
  target: object,
  method: string,
  by: (original: Call, self: unknown, args: never[]) => Promise<unknown>,
): void {
  const original = Reflect.get(target, method) as Call
  Reflect.set(target, method, function watched(this: unknown, ...args: never[]) {
    return by(original, this, args)
  })
}
