import { homedir, hostname } from 'node:os'
import type { Machine } from '../config/settings.ts'
import { type Clock, systemClock } from '../runtime/clock.ts'
import { type Random, systemRandom } from '../runtime/random.ts'
import { systemTimers, type Timers } from '../runtime/timers.ts'
import type { Runtime } from './runtime.ts'
import { outliveReaders, processTerminal, type Terminal } from './terminal.ts'

/** All the command line knows of the world. */
export interface CliContext {
  readonly runtime: Runtime
  readonly terminal: Terminal
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly machine: Machine
  readonly cwd: string
  readonly random: Random
  readonly clock: Clock
  readonly timers: Timers
  /** Aborted when somebody wants it to end: SIGINT or SIGTERM. */
  readonly interrupted: AbortSignal
}

/** The real one. The first signal asks for an orderly end, a second one does not wait for it. */
export function processContext(runtime: Runtime): CliContext {
  const interruption = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    if (interruption.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    interruption.abort(new DOMException(signal, 'AbortError'))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  outliveReaders()
  const superuser = process.getuid?.() === 0
  return {
    runtime,
    terminal: processTerminal,
    environment: process.env,
    machine: { hostname: hostname(), home: superuser ? undefined : homedir() },
    cwd: process.cwd(),
    random: systemRandom,
    clock: systemClock,
    timers: systemTimers,
    interrupted: interruption.signal,
  }
}
