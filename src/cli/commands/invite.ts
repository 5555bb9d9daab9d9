import { type Command, Option } from 'commander'
import { duration } from '../../config/units.ts'
import { Fault } from '../../errors.ts'
import { MEMBERSHIP_DAYS_MAX } from '../../limits.ts'
import type { Invitation, InviteStatus } from '../../registry/topology.ts'
import { shortId } from '../amounts.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { atAnchor } from '../role-refusals.ts'
import { table } from '../table.ts'

/** As long as it takes to walk to the other machine, at most a day: the node has the last word. */
const LIFETIME = duration(1, 86_400)
const TENANT = /^[a-z0-9-]{1,64}$/
const ROLES = ['anchor', 'replica', 'edge', 'readonly']

interface InviteFlags {
  ttl: string
  role: string
  tenant?: string[]
  approval?: boolean
  days?: string
  json?: boolean
}

export function addInvite(program: Command, context: CliContext): void {
  const command = program
    .command('invite')
    .summary('let one more node in')
    .description(
      'Makes an invite: good once, for one node, until it expires; redeemed at the node that made it.\n\n' +
        'Roles: anchor does everything; replica everything but letting nodes in and out by itself; edge pushes\n' +
        'and pulls, and decides nothing; readonly serves pulls. Edge and readonly memberships last 30 days and\n' +
        'are renewed while an anchor sees the node; the others last for good.',
    )
    .option('--ttl <DURATION>', 'how long the invite is good for: 90s, 30m, 12h', '30m')
    .addOption(new Option('--role <ROLE>', 'what the node may do').choices(ROLES).default('anchor'))
    .option('--tenant <TENANT...>', 'only these tenants’ content (default: all)')
    .option('--approval', 'another administrator must agree before the node belongs')
    .option('--days <N>', 'how long the membership lasts unless renewed; `forever`: for good')
    .option('--json', 'print one line of JSON')
  addConnectionFlags(command).action(() => invite(command, context))
  command
    .command('withdraw')
    .argument('<id>', 'as `flotilla invites` shows it')
    .summary('make an invite worthless')
    .description('Makes an invite that nobody has used worthless.')
    .action((id: string, _options: unknown, withdrawal: Command) => withdraw(id, withdrawal, context))
}

export function addInvites(program: Command, context: CliContext): void {
  const command = program
    .command('invites')
    .summary('show invites')
    .description('Shows every invite on record and what became of it.')
    .option('--json', 'print one line of JSON')
  addConnectionFlags(command).action(async () => {
    const api = await connect(command, context)
    const invites = await api.get<InviteStatus[]>('/cluster/invites')
    const { json } = command.opts<{ json?: boolean }>()
    if (json) return context.terminal.out(JSON.stringify(invites))
    context.terminal.out(invites.length === 0 ? 'There are no invites.' : render(invites))
  })
}

async function invite(command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const { ttl: lifetime, role, tenant, approval, days, json } = command.opts<InviteFlags>()
  const ttl = LIFETIME.safeParse(lifetime)
  if (!ttl.success) throw new Fault('USAGE', `--ttl ${lifetime}: ${ttl.error.issues[0]?.message}`)
  const unlike = tenant?.find((one) => !TENANT.test(one))
  if (unlike !== undefined)
    throw new Fault(
      'USAGE',
      `--tenant ${unlike}: must be of lower-case letters, digits and dashes, 64 at most`,
    )
  const body = {
    ttl_seconds: ttl.data,
    role,
    ...(tenant && { scope: tenant }),
    ...(approval && { approval }),
    ...(days !== undefined && { days: daysIn(days) }),
  }
  const api = await connect(command, context)
  const { body: answer } = await atAnchor(api, () => api.post('/cluster/invites', body))
  const invitation = answer as Invitation
  if (json) return terminal.out(JSON.stringify(invitation))
  // The invite alone on standard output: `flotilla invite | ssh other flotilla join -`.
  terminal.out(invitation.invite)
  terminal.err(
    `\nGood once, until ${invitation.expiresAt}. On the new node:\n\n  flotilla join ${invitation.invite} --serve\n`,
  )
  if (approval) terminal.err('Then another administrator, at any member:\n\n  flotilla node approve NAME\n')
}

async function withdraw(id: string, command: Command, context: CliContext): Promise<void> {
  const api = await connect(command, context)
  await atAnchor(api, () => api.delete(`/cluster/invites/${encodeURIComponent(id)}`))
  context.terminal.out(`Invite ${id} is withdrawn.`)
}

function daysIn(text: string): number | null {
  if (text === 'forever') return null
  const days = Number(text)
  if (/^[1-9]\d*$/.test(text) && days <= MEMBERSHIP_DAYS_MAX) return days
  throw new Fault(
    'USAGE',
    `--days ${text}: must be a number of days from 1 to ${MEMBERSHIP_DAYS_MAX}, or forever`,
  )
}

function render(invites: readonly InviteStatus[]): string {
  return table(
    ['invite', 'state', 'made at', 'role', 'approval', 'days', 'until', 'used by'],
    invites.map(({ id, state, issuer, role, approval, days, expiresAt, redeemedBy }) => [
      id,
      state,
      issuer,
      role,
      approval ? 'yes' : '-',
      days === null ? '-' : String(days),
      expiresAt.slice(0, 16).replace('T', ' '),
      redeemedBy === null ? '-' : shortId(redeemedBy),
    ]),
  )
}
