import { CommanderError } from 'commander'
import { Fault, isFault } from '../errors.ts'
import { adviceOn } from './advice.ts'
import type { CliContext } from './context.ts'
import { buildProgram } from './program.ts'

export const EXIT_OK = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2
/** What shells give a command that SIGINT ended. */
export const EXIT_INTERRUPTED = 130

/**
 * One command, from its words to its exit code. What went wrong is one line and what to do next; a stack
 * only with --debug.
 * @param words without the program's own name
 */
export async function run(words: readonly string[], context: CliContext): Promise<number> {
  const program = buildProgram(context)
  try {
    await program.parseAsync([...words], { from: 'user' })
    return EXIT_OK
  } catch (error) {
    if (error instanceof CommanderError) return usageExit(error)
    if (context.interrupted.aborted) return EXIT_INTERRUPTED
    report(error, context, words.includes('--debug'))
    return isUsage(error) ? EXIT_USAGE : EXIT_FAILED
  }
}

function isUsage(error: unknown): boolean {
  return isFault(error, 'USAGE') || (isFault(error, 'CONFIG_INVALID') && error.facts.from === 'flag')
}

/** Commander has said it already. */
function usageExit(error: CommanderError): number {
  const asked = ['commander.helpDisplayed', 'commander.version'].includes(error.code)
  return asked || (error.code === 'commander.help' && error.exitCode === 0) ? EXIT_OK : EXIT_USAGE
}

function report(error: unknown, { terminal }: CliContext, debug: boolean): void {
  if (error instanceof Fault) {
    // A check that failed has been printed in full.
    if (error.message !== '') terminal.err(`flotilla: ${error.message}`)
    for (const line of adviceOn(error)) terminal.err(`  ${line}`)
  } else {
    terminal.err(`flotilla: unexpected: ${error instanceof Error ? error.message : String(error)}`)
    if (!debug) terminal.err('  this is a defect; run it again with --debug and report what it prints')
  }
  if (debug) terminal.err(stackOf(error))
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
