import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A program that hears and says lines of JSON, and ends with its input. */
export class LineProcess {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(command: string, args: readonly string[]) {
    this.#name = args.find((word) => /\.\w+$/.test(word)) ?? command
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]()
  }

  say(what: unknown): void {
    this.#child.stdin?.write(`${JSON.stringify(what)}\n`)
  }

  /** Its next line. @throws Error when it has ended */
  async hear<T>(): Promise<T> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`${this.#name} has ended`)
    return JSON.parse(value) as T
  }

  ask<T>(what: unknown): Promise<T> {
    this.say(what)
    return this.hear<T>()
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    // Whoever is in the middle of something does not look at its input.
    this.#child.kill()
    await exited
  }
}
