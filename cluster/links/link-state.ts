import { Fault } from '../../src/errors.ts'
import { isWithin, nextOpening, parseHours } from '../../src/journal/link-hours.ts'
import type { LinkPolicy } from '../../src/journal/link-policy.ts'
import type { Purpose } from '../../src/registry/blob-source.ts'

/**
 * `near`: no link between sites at all. `metered`: it has a budget, so what is free comes first. `closed`: nothing
 * goes over it.
 */
export type LinkClass = 'near' | 'long' | 'metered' | 'closed'

export interface LinkState {
  /** `hours` closes it for bulk only: what somebody waits for goes over it at any time. */
  readonly closed: 'forbidden' | 'budget' | 'hours' | null
  /** Milliseconds since 1970; null where it is open, and where only an administrator opens it. */
  readonly opensAt: number | null
}

const OPEN: LinkState = { closed: null, opensAt: null }

/**
 * @param used bytes this month, both ways
 * @param now milliseconds since 1970
 */
export function stateOf({ forbidden, budget, hours }: LinkPolicy, used: number, now: number): LinkState {
  if (forbidden) return { closed: 'forbidden', opensAt: null }
  if (budget !== null && used >= budget) return { closed: 'budget', opensAt: nextMonth(now) }
  const windows = hours === null ? undefined : parseHours(hours)
  if (!windows || isWithin(windows, now)) return OPEN
  return { closed: 'hours', opensAt: nextOpening(windows, now) }
}

/** What the link is for who wants something for that purpose. */
export function classOf(policy: LinkPolicy, { closed }: LinkState, purpose: Purpose): LinkClass {
  if (closed !== null && isClosedFor(purpose, closed)) return 'closed'
  return policy.budget === null ? 'long' : 'metered'
}

/** Without records a site forbidden to the others could not be told so, nor a newcomer come in there. */
export function isClosedFor(purpose: Purpose, closed: NonNullable<LinkState['closed']>): boolean {
  return purpose === 'bulk' || (purpose === 'pull' && closed !== 'hours')
}

/** `2026-11`, in UTC: of what a budget is. @param time milliseconds since 1970 */
export function monthOf(time: number): string {
  return new Date(time).toISOString().slice(0, 7)
}

export function nextMonth(now: number): number {
  const date = new Date(now)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
}

/** What the whole month comes to if it goes on as it began; null while it has hardly begun. */
export function forecast(used: number, now: number): number | null {
  const date = new Date(now)
  const begin = Date.UTC(date.getUTCFullYear(), date.getUTCMonth())
  const passed = now - begin
  return passed < FORECAST_MS_MIN ? null : Math.round((used * (nextMonth(now) - begin)) / passed)
}

/** An hour says nothing of a month. */
const FORECAST_MS_MIN = 6 * 60 * 60 * 1000

/** What whoever wants a blob is told: which link, until when, and who can do what about it. */
export function closedFault(link: string, policy: LinkPolicy, { closed, opensAt }: LinkState): Fault {
  const sites = link.split('/')
  const named = `the link between ${sites.join(' and ')}`
  const command = `flotilla links set ${sites.join(' ')}`
  const until = opensAt === null ? null : new Date(opensAt).toISOString()
  const said = {
    forbidden: `${named} is forbidden for blobs; an administrator can allow it: ${command} --allow`,
    budget: `${named} has used up its ${policy.budget} bytes of this month and opens again at ${until}; an administrator can give it more: ${command} --budget SIZE`,
    hours: `${named} is closed for what nobody waits for until ${until} (its hours are ${policy.hours})`,
  }
  return new Fault('LINK_CLOSED', said[closed ?? 'forbidden'], { link, because: closed, opensAt: until })
}
