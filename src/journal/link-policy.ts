import type { Readable } from './effective.ts'
import { winner } from './register.ts'
import type { LinkPolicyRow } from './rows.ts'

/** The pairs of sites nothing was said of. */
export const ANY_LINK = '*'

export const LINK_FIELDS = ['rate', 'hours', 'budget', 'forbidden'] as const

/** What holds between two sites. */
export interface LinkPolicy {
  /** Bytes a second, each way; null: no bound, as in what follows. */
  readonly rate: number | null
  /** When bulk may go over it; see `parseHours`. */
  readonly hours: string | null
  /** Bytes of a calendar month (UTC), both ways together. */
  readonly budget: number | null
  readonly forbidden: boolean
  /** Something was said of this pair; else it is what holds for all others. */
  readonly own: boolean
}

export const NO_POLICY: LinkPolicy = { rate: null, hours: null, budget: null, forbidden: false, own: false }

/** The name of the link between two sites, whichever comes first. */
export function linkBetween(a: string, b: string): string {
  return a < b ? `${a}/${b}` : `${b}/${a}`
}

/** A pair of which anything is said goes by that alone; every other goes by `*`. */
export function linkPolicy(tables: Readable, link: string): LinkPolicy {
  const own = tables.get('linkPolicies', link)
  if (own && isSaid(own)) return { ...policyOf(own), own: true }
  const any = tables.get('linkPolicies', ANY_LINK)
  return any ? { ...policyOf(any), own: link === ANY_LINK && isSaid(any) } : NO_POLICY
}

function policyOf(row: LinkPolicyRow): Omit<LinkPolicy, 'own'> {
  return {
    rate: winner(row.rate) ?? null,
    hours: winner(row.hours) ?? null,
    budget: winner(row.budget) ?? null,
    forbidden: row.forbidden.some(({ value }) => value === true),
  }
}

function isSaid(row: LinkPolicyRow): boolean {
  const { rate, hours, budget, forbidden } = row
  return [rate, hours, budget, forbidden].some((register) =>
    (register as readonly { readonly value: unknown }[]).some(({ value }) => value !== null),
  )
}
