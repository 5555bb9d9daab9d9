import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import type { LinkSettings, LinkStatus } from '../../registry/topology.ts'
import { formatBytes, formatMilliseconds } from '../amounts.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { parseBudget, parseRate } from '../link-amounts.ts'
import { atAnchor } from '../role-refusals.ts'
import { table } from '../table.ts'

const EXAMPLES = `
Examples:
  flotilla links set hq shop-7 --rate 20Mbit/s --hours "mon-fri 22:00-06:00 UTC+01:00" --budget 50GB
  flotilla links set hq shop-7 --hours none
  flotilla links set default --forbid
  flotilla links clear hq shop-7

Hours are for bulk, such as copies that a project asks for: what a client waits for goes over a link at any time.
A rate, a budget and --forbid hold for everything. A budget is for a calendar month in UTC, both ways together.
A pair of sites that anything is set for goes by that alone; all others go by \`default\`.`

interface SetFlags {
  readonly rate?: string
  readonly hours?: string
  readonly budget?: string
  readonly forbid?: boolean
  readonly allow?: boolean
}

export function addLinks(program: Command, context: CliContext): void {
  const { terminal } = context
  const links = program
    .command('links')
    .description('list the links between sites: what may go over them, what went, how they are')
    .option('--json', 'print one line of JSON')
    .addHelpText('after', EXAMPLES)
  addConnectionFlags(links).action(async () => {
    const found = await (await connect(links, context)).get<LinkStatus[]>('/cluster/links')
    if (links.opts<{ json?: boolean }>().json) return terminal.out(JSON.stringify(found))
    terminal.out(table(COLUMNS, found.map(rowOf)))
    for (const line of remarksOn(found)) terminal.err(line)
  })

  const set = links
    .command('set')
    .argument('<site>', 'a site, or `default` for all pairs nothing is set for')
    .argument('[other]', 'the site at the other end')
    .description('bound what goes over a link; what is not named stays as it is')
    .option('--rate <RATE>', 'each way: 2MB/s, 20Mbit/s, or none')
    .option('--hours <HOURS>', 'when bulk may go over it: "22:00-06:00", or none')
    .option('--budget <SIZE>', 'of a calendar month, both ways together: 50GB, or none')
    .option('--forbid', 'no byte of a blob goes over it')
    .option('--allow', 'takes --forbid back')
    .addHelpText('after', EXAMPLES)
  addConnectionFlags(set).action(async (site: string, other: string | undefined) => {
    const said = settingsOf(set.opts<SetFlags>())
    const api = await connect(set, context)
    await atAnchor(api, () => api.put(pathOf('set', site, other), said))
    terminal.out(`${nameOf(site, other)} ${other === undefined ? 'are' : 'is'} set.`)
    terminal.err('\nHow it is now: flotilla links')
  })

  const clear = links
    .command('clear')
    .argument('<site>', 'a site, or `default`')
    .argument('[other]', 'the site at the other end')
    .description('take back everything that was set for a link')
  addConnectionFlags(clear).action(async (site: string, other: string | undefined) => {
    const api = await connect(clear, context)
    await atAnchor(api, () => api.delete(pathOf('clear', site, other)))
    terminal.out(
      `${nameOf(site, other)} ${other === undefined ? 'are' : 'is'} without bounds of ${other === undefined ? 'their' : 'its'} own.`,
    )
  })
}

const COLUMNS = ['link', 'class', 'rate', 'hours', 'budget', 'used', 'forecast', 'state', 'rtt']

function rowOf(link: LinkStatus): string[] {
  const bytes = (amount: number | null) => (amount === null ? '-' : formatBytes(amount))
  const name = link.sites?.join(' - ') ?? '(default)'
  if (!link.sites) {
    return [
      name,
      link.own ? link.class : '-',
      rateOf(link),
      link.hours ?? '-',
      bytes(link.budget),
      '-',
      '-',
      '-',
      '-',
    ]
  }
  return [
    link.own ? name : `${name} (default)`,
    link.class,
    rateOf(link),
    link.hours ?? '-',
    bytes(link.budget),
    bytes(link.usedBytes),
    bytes(link.forecastBytes),
    stateOf(link),
    link.rttMs === null ? '-' : formatMilliseconds(link.rttMs),
  ]
}

function rateOf({ rate }: LinkStatus): string {
  return rate === null ? '-' : `${formatBytes(rate)}/s`
}

function stateOf({ closed, opensAt }: LinkStatus): string {
  const until = opensAt === null ? '' : ` until ${opensAt.slice(0, 16)}Z`
  switch (closed) {
    case 'forbidden':
      return 'forbidden'
    case 'budget':
      return `budget spent${until}`
    case 'hours':
      return `no bulk${until}`
    default:
      return 'open'
  }
}

function remarksOn(links: readonly LinkStatus[]): string[] {
  return links.flatMap(({ sites, known, disputed, budget, forecastBytes }) => {
    const name = sites?.join(' - ') ?? 'default'
    const over = budget !== null && forecastBytes !== null && forecastBytes > budget
    return [
      ...(known ? [] : [`${name}: no member is at one of these sites (yet)`]),
      ...(disputed.length === 0
        ? []
        : [
            `${name}: ${disputed.join(', ')} set otherwise by two administrators at the same time: flotilla conflicts`,
          ]),
      ...(over ? [`${name}: goes over its budget before the month ends if it goes on so`] : []),
    ]
  })
}

function settingsOf({ rate, hours, budget, forbid, allow }: SetFlags): LinkSettings {
  if (forbid && allow) throw new Fault('USAGE', '--forbid and --allow exclude each other')
  const said = {
    ...(rate !== undefined && { rate: rate === 'none' ? null : parseRate(rate) }),
    ...(hours !== undefined && {
      hours: hours === 'none' ? null : hours.toLowerCase().replace(/ utc/, ' UTC'),
    }),
    ...(budget !== undefined && { budget: budget === 'none' ? null : parseBudget(budget) }),
    ...((forbid || allow) && { forbidden: forbid === true }),
  }
  if (Object.keys(said).length > 0) return said
  throw new Fault('USAGE', 'say what to set: --rate, --hours, --budget, --forbid or --allow')
}

function pathOf(command: 'set' | 'clear', site: string, other: string | undefined): string {
  if (other !== undefined) return `/cluster/links/${encodeURIComponent(site)}/${encodeURIComponent(other)}`
  if (site === 'default') return '/cluster/links/default'
  throw new Fault('USAGE', `a link is between two sites: flotilla links ${command} ${site} OTHER`)
}

function nameOf(site: string, other: string | undefined): string {
  return other === undefined ? 'Links nothing is set for' : `The link between ${site} and ${other}`
}
