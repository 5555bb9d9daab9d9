import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import type { ApiConflict } from '../api-shapes.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import type { NodeApi } from '../node-api.ts'
import { table } from '../table.ts'

/** Every page costs the node a walk over all that was lost: the newest are on the first. */
const PAGE_SIZE = 100
const LIMIT_MAX = 100_000

interface ListFlags {
  project?: string
  since?: string
  at?: string
  kind?: string
  all?: boolean
  limit: string
  json?: boolean
}

interface RepairFlags {
  project?: string
  approve?: boolean
  take?: boolean
  keep?: boolean
  rename?: string
  as?: string
}

export function addConflicts(program: Command, context: CliContext): void {
  const command = program
    .command('conflicts')
    .summary('show what sites undid of each other, and mend it')
    .description(
      'Shows what did not stay as it was said, because another site said otherwise at the same time, or because\n' +
        'the right to say it was gone: newest first, what somebody has to decide only, unless --all.',
    )
    .option('--project <PROJECT>', 'only what belongs to it; its administrators may ask')
    .option('--since <TIME>', 'only what was written since then: 2026-11-23, or 2026-11-23T10:00:00Z')
    .option('--at <NAME>', 'only what was written at that site, or that node')
    .option('--kind <KIND>', 'only records of that kind, such as member.granted')
    .option('--all', 'also what needs nobody’s decision any more')
    .option('--limit <N>', 'at most so many', String(PAGE_SIZE))
    .option('--json', 'print one line of JSON')
  addConnectionFlags(command).action(() => list(command, context))

  const repair = command
    .command('repair')
    .argument('<id>', 'as `flotilla conflicts` shows it')
    .summary('give the loser what it wanted, or settle for the winner')
    .description(
      'Mends one conflict by a record of its own, in your name; needs the right to do the thing itself.',
    )
    .option('--approve', 'do once more what was refused')
    .option('--take', 'the tag or field shall have the value that lost')
    .option('--keep', 'the tag or field shall have the value it has now, and nothing beside it')
    .option('--rename <NAME>', 'the user or project that lost its name shall be called so')
    .option('--as <NAME>', 'with --approve: what a user or project is called that is made anew')
    .option('--project <PROJECT>', 'the project it belongs to; its administrators may ask')
  addConnectionFlags(repair).action((id: string) => mend(id, repair, context))
}

async function list(command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const { project, since, at, kind, all, limit, json } = command.opts<ListFlags>()
  const most = countIn(limit)
  const query = new URLSearchParams()
  if (since !== undefined) query.set('since', momentOf(since))
  if (at !== undefined) query.set('site', at)
  if (kind !== undefined) query.set('kind', kind)
  if (!all) query.set('open', 'true')
  const api = await connect(command, context)
  const conflicts = await newest(api, `${baseOf(project)}/conflicts`, query, most)
  const none = all ? 'There are no conflicts.' : 'There is nothing to decide (--all shows what was decided).'
  if (json) terminal.out(JSON.stringify(conflicts))
  else terminal.out(conflicts.length === 0 ? none : render(conflicts))
  if (conflicts.length === most) terminal.err(`\nThese are the newest ${most}; --limit shows more.`)
}

async function newest(
  api: NodeApi,
  path: string,
  query: URLSearchParams,
  most: number,
): Promise<ApiConflict[]> {
  const found: ApiConflict[] = []
  for (let page = 1; found.length < most; page++) {
    const params = new URLSearchParams(query)
    params.set('page', String(page))
    params.set('page_size', String(PAGE_SIZE))
    const some = await api.get<ApiConflict[]>(`${path}?${params.toString()}`)
    found.push(...some)
    if (some.length < PAGE_SIZE) break
  }
  return found.slice(0, most)
}

function countIn(text: string): number {
  const count = Number(text)
  if (/^[1-9]\d*$/.test(text) && count <= LIMIT_MAX) return count
  throw new Fault('USAGE', `--limit ${text}: must be a number from 1 to ${LIMIT_MAX}`)
}

async function mend(id: string, command: Command, context: CliContext): Promise<void> {
  const { as, ...flags } = command.opts<RepairFlags>()
  if (!/^[A-Za-z0-9_-]{22}$/.test(id)) {
    const advice = '`flotilla conflicts` shows them in its first column, 22 characters each'
    throw new Fault('USAGE', `${id} is no conflict’s id`, { advice })
  }
  // The list's own flag of that name stands before the word `repair`.
  const project = flags.project ?? command.parent?.opts<ListFlags>().project
  const chosen = (['approve', 'take', 'keep', 'rename'] as const).filter((action) => action in flags)
  const [action] = chosen
  if (action === undefined || chosen.length > 1) {
    const advice = '`flotilla conflicts` shows under MEND what each asks for'
    throw new Fault('USAGE', 'say one of --approve, --take, --keep, --rename', { advice })
  }
  if (as !== undefined && action !== 'approve') throw new Fault('USAGE', '--as goes with --approve')
  const api = await connect(command, context)
  const called = flags.rename ?? as
  const body = { action, ...(called !== undefined && { name: called }) }
  await api.post(`${baseOf(project)}/conflicts/${encodeURIComponent(id)}/repair`, body)
  context.terminal.out(`Conflict ${id} is mended.`)
}

function baseOf(project: string | undefined): string {
  return project === undefined ? '' : `/projects/${encodeURIComponent(project)}`
}

/** A day is meant from its first moment on, in UTC, as all times are shown. */
function momentOf(text: string): string {
  const time = Date.parse(text)
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(time)) return new Date(time).toISOString()
  throw new Fault('USAGE', `--since ${text}: must be a day or a time, such as 2026-11-23T10:00:00Z`)
}

function render(conflicts: readonly ApiConflict[]): string {
  const rows = conflicts.map((one) => [
    one.id,
    minutes(one.time),
    one.about || '-',
    one.kind,
    one.actor,
    whereOf(one),
    one.reason,
    one.beaten_by ? beatenBy(one.beaten_by) : '-',
    mendOf(one),
  ])
  const columns = ['conflict', 'written', 'about', 'record', 'by', 'at', 'why', 'gave way to', 'mend']
  return [table(columns, rows), '', ...legend(conflicts)].join('\n')
}

/** Each reason in words, with what helps, once. */
function legend(conflicts: readonly ApiConflict[]): string[] {
  const lines = conflicts.map(({ reason, text, repair: { advice } }) =>
    advice === null ? `${reason}: ${text}` : `${reason}: ${text} (${advice})`,
  )
  return [...new Set(lines)]
}

function mendOf({ open, repair }: ApiConflict): string {
  if (repair.action === 'take') return '--take, --keep'
  if (repair.action === 'rename') return '--rename NAME'
  if (repair.action === 'approve' && repair.needs.includes('name')) return '--approve --as NAME'
  if (repair.action !== null) return `--${repair.action}`
  return open ? 'by hand' : '-'
}

function beatenBy(by: NonNullable<ApiConflict['beaten_by']>): string {
  const why = by.why === undefined ? '' : `: ${by.why}`
  return `${by.actor}, ${whereOf(by)}${why}`
}

function whereOf({ node, site }: Pick<ApiConflict, 'node' | 'site'>): string {
  return site === '' || site === node ? node : `${node} (${site})`
}

function minutes(time: string): string {
  return time.slice(0, 16).replace('T', ' ')
}
