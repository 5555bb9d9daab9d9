import type { Command } from 'commander'
import { Fault, isFault } from '../../errors.ts'
import type { ClusterStatus, MemberStatus, Review } from '../../registry/topology.ts'
import { shortId } from '../amounts.ts'
import { confirmed } from '../confirm.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { findMember } from '../find-member.ts'
import type { NodeApi } from '../node-api.ts'
import { atAnchor } from '../role-refusals.ts'
import { table } from '../table.ts'

/** What is looked at where nobody said since when. */
const REVIEW_DAYS = 30
const DAY_MS = 24 * 60 * 60 * 1000

interface EvictFlags {
  compromised?: boolean
  since?: string
  acceptUntil?: string
  reason?: string
  json?: boolean
}

/** What still counts: so many entries of each log, all that is here, all before a time; null: nobody said. */
type Cut = number | 'now' | Date | null

/** Of each of its logs, how many entries still count. */
type Accepted = Readonly<Record<string, number>>

export function addEvict(program: Command, context: CliContext): void {
  const command = program
    .command('evict')
    .argument('<node>', 'name or id of the member')
    .summary('put a node out of the cluster')
    .description(
      'Puts a member out of the cluster: from then on no member talks to it or believes what it writes, and the\n' +
        'network key is changed. What it did before, and others had taken over, stays.\n\n' +
        'With --compromised its pushes are taken back as well as its decisions, save what is accepted; what it\n' +
        'wrote lately is shown first, and at a terminal you are asked where to cut. Said again with an earlier\n' +
        '--accept-until it takes back more; nothing gives back what was taken.',
    )
    .option('--compromised', 'it was stolen or broken into: take back what it pushed, too')
    .option(
      '--since <DATE>',
      `with --compromised: show what it wrote since then (default: ${REVIEW_DAYS} days ago)`,
    )
    .option(
      '--accept-until <WHEN>',
      'what of its logs still counts: what it wrote before a time by its own clock (2026-11-23T09:00Z),\n' +
        'the first N entries of each, or `now` for all that is here at this moment',
    )
    .option('--reason <TEXT>', 'kept on record, for people')
    .option('--json', 'print one line of JSON, with ids beside names')
    .option('-y, --yes', 'do not ask')
  addConnectionFlags(command).action((node: string) => evict(node, command, context))
}

async function evict(node: string, command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const { compromised = false, since, acceptUntil, reason = '', json } = command.opts<EvictFlags>()
  const said = cutOf(acceptUntil)
  const sinceDate = sinceOf(since, said instanceof Date ? said.getTime() : ago(context))
  const api = await connect(command, context)
  const { members } = await api.get<ClusterStatus>('/cluster')
  const member = find(members, node, compromised)
  if (member.self) {
    throw new Fault('USAGE', `${member.name} is the node that was asked`, {
      advice: 'ask another member, or use `flotilla leave`',
    })
  }
  const review = compromised ? await reviewOf(api, member, sinceDate) : undefined
  if (review) terminal.err(render(review, member, sinceDate))
  const cut = said ?? (review ? await asked(member, command, context) : null)
  const accepted = await acceptedBy(cut, api, member, review)
  const question = `${member.name} (site ${member.site}, ${shortId(member.id)})`
  const words = compromised && accepted ? `, and count of it ${inWords(accepted, review?.logs)}` : ''
  await confirmed(`Evict ${question} for good${words}?`, command, context)
  const path = `/cluster/members/${encodeURIComponent(member.id)}/eviction`
  const body = { compromised, accept_until: accepted ?? (cut instanceof Date ? null : cut), reason }
  await atAnchor(api, () => api.post(path, body))
  if (json)
    terminal.out(JSON.stringify({ node: member.id, name: member.name, compromised, accepted, review }))
  else terminal.out(`${member.name} is evicted.`)
  if (!compromised || !accepted || json) return
  terminal.out(
    `Of what it wrote still counts: ${inWords(accepted, review?.logs)}.\n` +
      `To take back more: flotilla evict ${member.name} --compromised --accept-until TIME (or N entries of each log).`,
  )
}

/** Whoever is in; and who is out already, where more of what it wrote is to be taken back. */
function find(members: readonly MemberStatus[], node: string, compromised: boolean): MemberStatus {
  try {
    return findMember(members, node, ['member', 'pending'])
  } catch (error) {
    if (!compromised && isFault(error, 'NODE_UNKNOWN') && error.facts.state !== undefined) {
      const advice =
        'to take back (more of) what it wrote: flotilla evict NODE --compromised --accept-until WHEN'
      throw new Fault('NODE_UNKNOWN', error.message, { ...error.facts, advice }, error)
    }
    const gone = compromised && members.some((one) => ['left', 'evicted'].includes(one.state))
    if (!gone || !isFault(error, 'NODE_UNKNOWN')) throw error
    return findMember(members, node, ['member', 'pending', 'left', 'evicted'])
  }
}

/** Who sits at a terminal says where to cut; elsewhere all that was shown counts, unless the node is out already. */
async function asked(member: MemberStatus, command: Command, { terminal }: CliContext): Promise<Cut> {
  if (terminal.interactive && !command.opts<{ yes?: boolean }>().yes) {
    const question =
      'What of it still counts? A time before which it was sound, N entries of each log, or now: all of it'
    return cutOf((await terminal.askLine(question)).trim() || 'now')
  }
  if (member.state !== 'evicted') return null
  throw new Fault('USAGE', `${member.name} is evicted already: say what of it still counts`, {
    advice:
      '--accept-until TIME takes back what it wrote since then, --accept-until N all but its first N entries',
  })
}

/** Exactly what was shown, where nobody said less; null where the eviction is a plain one. */
async function acceptedBy(
  cut: Cut,
  api: NodeApi,
  member: MemberStatus,
  review: Review | undefined,
): Promise<Accepted | null> {
  if (cut instanceof Date) return (await reviewOf(api, member, cut)).before
  if (!review) return null
  if (cut === null || cut === 'now') return review.logs
  const first = Object.entries(review.logs).map(([log, entries]) => [log, Math.min(entries, cut)])
  return Object.fromEntries(first) as Accepted
}

function reviewOf(api: NodeApi, member: MemberStatus, since: Date): Promise<Review> {
  const query = `since=${encodeURIComponent(since.toISOString())}`
  return api.get<Review>(`/cluster/members/${encodeURIComponent(member.id)}/review?${query}`)
}

/** `authority 11 of 12 entries, catalog/system 40 of 40` */
function inWords(accepted: Accepted, logs: Accepted = accepted): string {
  const parts = Object.keys(logs).map((log) => `${labelOf(log)} ${accepted[log] ?? 0} of ${logs[log]}`)
  return parts.length === 0 ? 'nothing, for nothing of it is here' : `${parts.join(', ')} entries`
}

/** A log by its lane, and by the node's life where it has begun another. */
function labelOf(log: string): string {
  const [lane = log, author = ''] = log.split('@')
  const life = author.split('.')[1]
  return life === undefined ? lane : `${lane} (life ${life})`
}

function render({ ops, logs, truncated }: Review, member: MemberStatus, since: Date): string {
  const day = since.toISOString().slice(0, 16).replace('T', ' ')
  const heads = Object.entries(logs).map(([log, entries]) => `  ${labelOf(log)}  ${entries} entries`)
  const rows = ops.map(({ time, kind, what, about, who, log, entry }) => [
    time.slice(0, 19).replace('T', ' '),
    kind,
    what || about,
    who,
    `${labelOf(log)} ${entry}`,
  ])
  return [
    `${member.name} has written, as far as this node has its logs:`,
    ...heads,
    '',
    rows.length === 0
      ? `Nothing since ${day}, by its own clock.`
      : `Since ${day}, by its own clock, newest first:`,
    ...(rows.length === 0 ? [] : [table(['time', 'what', 'about', 'for', 'entry'], rows)]),
    ...(truncated ? ['(and more: --since with a later date, or the API)'] : []),
    '',
  ].join('\n')
}

function cutOf(text: string | undefined): Cut {
  if (text === undefined) return null
  if (text === 'now') return 'now'
  if (/^\d{1,15}$/.test(text)) return Number(text)
  const date = new Date(text)
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(date.getTime())) return date
  throw new Fault(
    'USAGE',
    `--accept-until ${text}: must be a time such as 2026-11-23T09:00Z, a number of entries, or now`,
  )
}

function ago({ clock }: CliContext): number {
  return clock.now() - REVIEW_DAYS * DAY_MS
}

function sinceOf(text: string | undefined, otherwise: number): Date {
  const date = text === undefined ? new Date(otherwise) : new Date(text)
  if (!Number.isNaN(date.getTime())) return date
  throw new Fault('USAGE', `--since ${text}: must be a date such as 2026-11-23 or 2026-11-23T09:00Z`)
}
