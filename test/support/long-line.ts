import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LineProcess } from './line-process.ts'
import type { Network } from './network.ts'

const run = promisify(execFile)

export interface LongLineInit {
  readonly bitsPerSecond: number
  readonly delayMs: number
  /** What waits for the line at most, in bytes; more is dropped. */
  readonly queueBytes: number
}

/** Bytes of Ethernet frames that crossed; `dropped` found no room before they did. */
export interface Carried {
  readonly there: number
  readonly back: number
  readonly dropped: number
}

/** The only way between two sites of a network: packets wait, are late and get lost on it as on a real one. */
export class LongLine {
  readonly #process: LineProcess

  private constructor(process: LineProcess) {
    this.#process = process
  }

  /** @param away the nodes at its other end */
  static async lay(network: Network, away: readonly number[], init: LongLineInit): Promise<LongLine> {
    const bridges = await network.split(away)
    const taps = [`fct${network.slot}a`, `fct${network.slot}b`] as const
    const numbers = [init.bitsPerSecond, init.delayMs, init.queueBytes].map(String)
    const line = new LongLine(
      new LineProcess('python3', [join(import.meta.dirname, 'long-line.py'), ...taps, ...numbers]),
    )
    await line.#process.hear()
    for (const [end, tap] of taps.entries())
      await run('ip', ['link', 'set', tap, 'master', bridges[end] as string, 'up'])
    return line
  }

  carried(): Promise<Carried> {
    return this.#process.ask<Carried>({})
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }
}
