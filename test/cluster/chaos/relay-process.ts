import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { RelayOrder, RelayPlan, Weather } from './relay.ts'

/** The harness's hold on the relay. */
export class RelayProcess {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(plan: RelayPlan): Promise<RelayProcess> {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'relay.ts')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const relay = new RelayProcess(child)
    relay.#say(plan)
    let listening = 0
    const ended = once(child, 'exit').then(() => {
      throw new Error('the relay ended while starting')
    })
    ended.catch(() => {})
    const ready = new Promise<void>((resolve) => {
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', () => {
        listening += 1
        if (listening === plan.nodes.length * plan.ports.length) resolve()
      })
    })
    await Promise.race([ready, ended])
    return relay
  }

  /** From now on exactly these ways are not clear. */
  weather(weather: ReadonlyMap<string, Weather>, reset: readonly number[] = []): void {
    const order: RelayOrder = { weather: Object.fromEntries(weather), reset }
    this.#say(order)
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await exited
  }

  #say(what: RelayPlan | RelayOrder): void {
    this.#child.stdin?.write(`${JSON.stringify(what)}\n`)
  }
}
