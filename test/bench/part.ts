import { type ForkOptions, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'

/** What a part answers to: every call takes and gives what JSON can carry. */
export type Calls = Readonly<Record<string, (...args: never[]) => unknown>>

interface Question {
  readonly id: number
  readonly name: string
  readonly args: unknown[]
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** A process of its own, so that its memory and its event loop are measured and nobody else's. */
export interface Part {
  call<T>(name: string, ...args: unknown[]): Promise<T>
  stop(): Promise<void>
  /** Ends it as a power cut would. */
  kill(): Promise<void>
}

/** Starts `main.ts part <name> <args>` and waits until it is ready. */
export function startPart(name: string, ...args: string[]): Promise<Part> {
  return start(name, args, { execArgv: ownOptions() })
}

/** The same in a network namespace. */
export function startPartIn(namespace: string, name: string, ...args: string[]): Promise<Part> {
  const inside = [`--net=/run/netns/${namespace}`, process.execPath, ...ownOptions()]
  return start(name, args, { execPath: 'nsenter', execArgv: inside })
}

function ownOptions(): string[] {
  return process.execArgv.filter((word) => !word.startsWith('--cpu-prof'))
}

async function start(
  name: string,
  args: readonly string[],
  how: Pick<ForkOptions, 'execPath' | 'execArgv'>,
): Promise<Part> {
  const child = fork(join(import.meta.dirname, 'main.ts'), ['part', name, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // As bin/flotilla.js does: what was compiled once is not compiled again.
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'flotilla-compiled') },
    ...how,
  })
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  const ready = Promise.withResolvers<unknown>()
  waiting.set(0, ready)
  let ended: Error | undefined
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (code) => {
      ended = new Error(`part ${name} ended with ${code}`)
      for (const { reject } of waiting.values()) reject(ended)
      resolve()
    })
  })
  child.on('message', ({ id, value, error }: Answer) => {
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) asked?.resolve(value)
    else asked?.reject(new Error(`part ${name}: ${error}`))
  })
  await ready.promise
  let last = 0
  return {
    call<T>(name: string, ...args: unknown[]): Promise<T> {
      const id = ++last
      return new Promise<T>((resolve, reject) => {
        if (ended) return reject(ended)
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
        child.send({ id, name, args } satisfies Question)
      })
    },
    async stop() {
      if (child.connected) child.disconnect()
      await gone
    },
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** Runs this process as a part: answers calls until whoever started it lets go. */
export async function serveCalls(calls: Calls, close: () => Promise<void>): Promise<void> {
  const tell = (answer: Answer) => process.send?.(answer)
  const answer = async ({ id, name, args }: Question): Promise<void> => {
    try {
      const call = calls[name] as (...args: unknown[]) => unknown
      tell({ id, value: await call(...args) })
    } catch (error) {
      tell({ id, error: inspect(error) })
    }
  }
  process.on('message', (question: Question) => void answer(question))
  process.once('disconnect', () => {
    const leave = () => process.exit(0)
    close().then(leave, leave)
  })
  tell({ id: 0 })
}

/** Nanoseconds of the machine's one monotonic clock, the same in all its processes; as milliseconds. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Bytes of memory at most so far, since `resourceUsage` of a child forked from a large process begins with that one's. */
export function peakRss(): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(line?.[1]) * 1024
}
