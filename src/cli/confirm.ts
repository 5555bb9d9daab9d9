import type { Command } from 'commander'
import { Fault } from '../errors.ts'
import type { CliContext } from './context.ts'

/** What cannot be undone is asked once, or said with --yes. */
export async function confirmed(question: string, command: Command, { terminal }: CliContext): Promise<void> {
  if (command.opts<{ yes?: boolean }>().yes) return
  if (!terminal.interactive) {
    throw new Fault('USAGE', 'this cannot be undone', { advice: 'say --yes to do it without being asked' })
  }
  if (!(await terminal.askConfirmation(question))) throw new Fault('CANCELLED', 'nothing was changed')
}
