import { type ChildProcess, fork } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Job } from './child.ts'

/** How a child came to its end. */
export interface End {
  readonly killed: boolean
  /** What it complained of when it ended otherwise. */
  readonly complaint: string | undefined
}

/** Children that have read the program and wait for a job: starting one takes longer than what it does. */
export class Crew {
  readonly #waiting: ChildProcess[] = []
  readonly #ahead: number

  constructor(ahead = 0) {
    this.#ahead = ahead
  }

  async run(job: Job): Promise<End> {
    let child = this.#waiting.shift()
    if (!child?.connected) child = start()
    while (this.#waiting.length < this.#ahead) this.#waiting.push(start())
    let complaint = ''
    child.stderr?.on('data', (text: Buffer) => {
      complaint += text.toString()
    })
    const ended = new Promise<End>((resolve) => {
      child.once('close', (code, signal) => {
        const killed = signal === 'SIGKILL'
        resolve({ killed, complaint: killed || code === 0 ? undefined : complaint || `exit ${code}` })
      })
    })
    child.send(job)
    return ended
  }

  dismiss(): void {
    for (const child of this.#waiting.splice(0)) child.kill('SIGKILL')
  }
}

function start(): ChildProcess {
  return fork(join(import.meta.dirname, 'child.ts'), {
    execArgv: [],
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'flotilla-compiled') },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
}
