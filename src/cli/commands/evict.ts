import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import type { ClusterStatus, MemberStatus, Review } from '../../registry/topology.ts'
import { shortId } from '../amounts.ts'
import { confirmed } from '../confirm.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { findMember } from '../find-member.ts'
import type { NodeApi } from '../node-api.ts'
import { table } from '../table.ts'

/** What is looked at where nobody said since when. */
const REVIEW_DAYS = 30
const DAY_MS = 24 * 60 * 60 * 1000

interface EvictFlags {
  compromised?: boolean
  since?: string
  acceptUntil?: string
  reason?: string
}

export function addEvict(program: Command, context: CliContext): void {
  const command = program
    .command('evict')
    .argument('<node>', 'name or id of the member')
    .summary('put a node out of the cluster')
    .description(
      'Puts a member out of the cluster: from then on no member talks to it or believes what it writes, and the\n' +
        'network key is changed. What it did before, and others had taken over, stays.\n\n' +
        'With --compromised its pushes are taken back as well as its decisions, save what is accepted; what it\n' +
        'wrote lately is shown first.',
    )
    .option('--compromised', 'it was stolen or broken into: take back what it pushed, too')
    .option(
      '--since <DATE>',
      `with --compromised: show what it wrote since then (default: ${REVIEW_DAYS} days ago)`,
    )
    .option(
      '--accept-until <N>',
      'what of its logs still counts: their first N entries, or `now` for all that is here at this moment',
    )
    .option('--reason <TEXT>', 'kept on record, for people')
    .option('-y, --yes', 'do not ask')
  addConnectionFlags(command).action((node: string) => evict(node, command, context))
}

async function evict(node: string, command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const { compromised = false, since, acceptUntil, reason = '' } = command.opts<EvictFlags>()
  const accept_until = acceptUntilOf(acceptUntil)
  const sinceDate = sinceOf(since, context.clock.now())
  const api = await connect(command, context)
  const { members } = await api.get<ClusterStatus>('/cluster')
  const member = findMember(members, node, ['member', 'pending'])
  if (member.self) {
    throw new Fault('USAGE', `${member.name} is the node that was asked`, {
      advice: 'ask another member, or use `flotilla leave`',
    })
  }
  if (compromised) terminal.err(await review(api, member, sinceDate))
  await confirmed(
    `Evict ${member.name} (site ${member.site}, ${shortId(member.id)}) for good?`,
    command,
    context,
  )
  const path = `/cluster/members/${encodeURIComponent(member.id)}/eviction`
  await api.post(path, { compromised, accept_until, reason })
  terminal.out(`${member.name} is evicted.`)
}

async function review(api: NodeApi, member: MemberStatus, since: Date): Promise<string> {
  const path = `/cluster/members/${encodeURIComponent(member.id)}/review?since=${encodeURIComponent(since.toISOString())}`
  const { ops, logs, truncated } = await api.get<Review>(path)
  const day = since.toISOString().slice(0, 10)
  const heads = Object.entries(logs).map(([log, entries]) => `  ${log}  ${entries} entries`)
  return [
    `${member.name} has written, as far as this node has its logs:`,
    ...heads,
    '',
    ops.length === 0
      ? `Nothing since ${day}, by its own clock.`
      : `Since ${day}, by its own clock, newest first:`,
    ...(ops.length === 0
      ? []
      : [
          table(
            ['time', 'what', 'about', 'for', 'entry'],
            ops.map(({ time, kind, about, actor, log, entry }) => [
              time.slice(0, 19).replace('T', ' '),
              kind,
              about,
              actor,
              `${log.split('@')[0]} ${entry}`,
            ]),
          ),
        ]),
    ...(truncated ? ['(and more: --since with a later date, or the API)'] : []),
    '',
  ].join('\n')
}

function acceptUntilOf(text: string | undefined): number | 'now' | null {
  if (text === undefined) return null
  if (text === 'now') return 'now'
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new Fault('USAGE', `--accept-until ${text}: must be a number of entries, or now`)
}

function sinceOf(text: string | undefined, now: number): Date {
  const date = text === undefined ? new Date(now - REVIEW_DAYS * DAY_MS) : new Date(text)
  if (!Number.isNaN(date.getTime())) return date
  throw new Fault('USAGE', `--since ${text}: must be a date such as 2026-11-23 or 2026-11-23T09:00Z`)
}
