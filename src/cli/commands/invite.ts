import type { Command } from 'commander'
import { duration } from '../../config/units.ts'
import { Fault } from '../../errors.ts'
import type { Invitation } from '../../registry/topology.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'

/** As long as it takes to walk to the other machine, at most a day: the node has the last word. */
const LIFETIME = duration(1, 86_400)

export function addInvite(program: Command, context: CliContext): void {
  const command = program
    .command('invite')
    .summary('let one more node in')
    .description(
      'Makes an invite: good once, for one node, until it expires; redeemed at the node that made it.',
    )
    .option('--ttl <DURATION>', 'how long it is good for: 90s, 30m, 12h', '30m')
    .option('--json', 'print one line of JSON')
  addConnectionFlags(command).action(() => invite(command, context))
}

async function invite(command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const options = command.opts<{ ttl: string; json?: boolean }>()
  const ttl = LIFETIME.safeParse(options.ttl)
  if (!ttl.success) throw new Fault('USAGE', `--ttl ${options.ttl}: ${ttl.error.issues[0]?.message}`)
  const api = await connect(command, context)
  const { body } = await api.post('/cluster/invites', { ttl_seconds: ttl.data })
  const invitation = body as Invitation
  if (options.json) return terminal.out(JSON.stringify(body))
  // The invite alone on standard output: `flotilla invite | ssh other flotilla join -`.
  terminal.out(invitation.invite)
  terminal.err(
    `\nGood once, until ${invitation.expiresAt}. On the new node:\n\n  flotilla join ${invitation.invite} --serve\n`,
  )
}
