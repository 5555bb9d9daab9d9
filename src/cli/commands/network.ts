import type { Command } from 'commander'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { atAnchor } from '../role-refusals.ts'

export function addNetwork(program: Command, context: CliContext): void {
  const network = program
    .command('network')
    .summary('change the key of the private network')
    .description('The cluster’s private network.')
  const command = network
    .command('rotate-key')
    .summary('give every member a new network key')
    .description(
      'Makes a new key of the private network and gives it to every member. The old one is accepted for 24 hours\n' +
        'more; a member that is cut off for longer must be invited anew. Eviction does this by itself.',
    )
    .option('--json', 'print one line of JSON')
  addConnectionFlags(command).action(async () => {
    const api = await connect(command, context)
    const { body } = await atAnchor(api, () => api.post('/cluster/network-key'))
    const { json } = command.opts<{ json?: boolean }>()
    const { key } = body as { key: string }
    context.terminal.out(
      json
        ? JSON.stringify({ key })
        : `The network key is now ${key}; members take it up as they hear of it.`,
    )
  })
}
