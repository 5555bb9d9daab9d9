import type { CliContext } from '../../../src/cli/context.ts'
import { run } from '../../../src/cli/run.ts'
import type { Runtime } from '../../../src/cli/runtime.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { temporaryFolder } from '../../support/temporary.ts'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface Cli {
  readonly dataDir: string
  /** Types `flotilla <words>` on this data directory. */
  type(
    words: string,
    options?: {
      input?: string
      environment?: Record<string, string>
      /** A person sits there, who types these lines when asked. */
      typed?: readonly string[]
    },
  ): Promise<Ran>
  /** What SIGINT does. */
  interrupt(): void
}

const NOT_ASKED: Runtime = {
  version: '1.2.3',
  init: () => Promise.reject(new Error('init was not expected')),
  join: () => Promise.reject(new Error('join was not expected')),
  serve: () => Promise.reject(new Error('serve was not expected')),
  inspect: async () => [],
}

/** The command line over a directory of its own, with a runtime the test gives where it is asked. */
export function commandLine(runtime: Partial<Runtime> = {}): Cli {
  const dataDir = temporaryFolder('cli')
  const interruption = new AbortController()
  return {
    dataDir,
    interrupt: () => interruption.abort(new DOMException('SIGINT', 'AbortError')),
    async type(words, { input = '', environment = {}, typed } = {}) {
      const answers = [...(typed ?? [])]
      const written = { out: '', err: '' }
      const context: CliContext = {
        runtime: { ...NOT_ASKED, ...runtime },
        terminal: {
          interactive: typed !== undefined,
          outputIsTerminal: false,
          columns: 110,
          out: (text) => void (written.out += `${text}\n`),
          err: (text) => void (written.err += `${text}\n`),
          progress: () => {},
          paint: (_, text) => text,
          readInput: async () => input,
          askPassword: () => Promise.reject(new Error('nobody is there to ask')),
          askLine: async (question) => {
            written.err += `${question}\n`
            return answers.shift() ?? Promise.reject(new Error('nobody is there to ask'))
          },
          askConfirmation: () => Promise.reject(new Error('nobody is there to ask')),
        },
        environment: { FLOTILLA_DATA_DIR: dataDir, ...environment },
        machine: { hostname: 'test', home: '/nowhere' },
        cwd: dataDir,
        random: systemRandom,
        clock: systemClock,
        timers: systemTimers,
        interrupted: interruption.signal,
      }
      return { code: await run(words.split(' ').filter(Boolean), context), ...written }
    },
  }
}
