import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'

interface SetFlags {
  placement?: string
  residency?: string
  durability?: string
  durabilityWait?: string
  durabilityFallback?: string
}

/** What a project says of where its bytes are; the node checks the values. */
export function addProjectSet(project: Command, context: CliContext): void {
  const command = project
    .command('set')
    .argument('<project>')
    .summary('say where a project’s bytes are kept')
    .description(
      'Says how many copies of a project’s bytes are kept, at which sites they may be, and how many sites must\n' +
        'hold a push before it is answered. What is not named stays as it is; `flotilla placement status` shows it.',
    )
    .option(
      '--placement <WHERE>',
      'on-demand: where they are pushed and pulled; sites:K: at K sites; everywhere',
    )
    .option('--residency <SITES>', 'the only sites that may have them, as eu-1,eu-2; any: all sites')
    .option(
      '--durability <SITES>',
      'how many sites must hold a push before it is answered; 1: the node itself',
    )
    .option('--durability-wait <SECONDS>', 'how long a push waits for them at most')
    .option('--durability-fallback <degrade|refuse>', 'what becomes of it then: 201 with a warning, or 503')
  addConnectionFlags(command).action(async (name: string) => {
    const metadata = settingsOf(command.opts<SetFlags>())
    if (Object.keys(metadata).length === 0)
      throw new Fault('USAGE', 'name a setting: --placement, --residency, --durability …')
    const api = await connect(command, context)
    await api.put(`/projects/${encodeURIComponent(name)}`, { metadata })
    const said = Object.entries(metadata).map(([key, value]) => `${key} ${value === '' ? 'any' : value}`)
    context.terminal.out(`Project ${name}: ${said.join(', ')}.`)
  })
}

function settingsOf(flags: SetFlags): Record<string, string> {
  const { placement, residency, durability, durabilityWait, durabilityFallback } = flags
  const all = {
    placement,
    residency: residency === 'any' ? '' : residency,
    durability,
    durability_wait: durabilityWait,
    durability_fallback: durabilityFallback,
  }
  return Object.fromEntries(
    Object.entries(all).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  )
}
