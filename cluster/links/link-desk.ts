import type { Journal } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { ANY_LINK, linkBetween, linkPolicy } from '../../src/journal/link-policy.ts'
import { AUTHORITY } from '../../src/journal/op.ts'
import type { LinkSettings, LinkStatus, OnBehalf } from '../../src/registry/topology.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network } from '../network/network.ts'
import type { LinkUse } from './link-meter.ts'
import { classOf, forecast, monthOf, stateOf } from './link-state.ts'
import type { LinkPolicies } from './links.ts'

export interface LinkDeskComponents {
  readonly journal: Pick<Journal, 'node' | 'tables' | 'commit'>
  readonly roster: Roster
  readonly network: Pick<Network, 'rttMs'>
  readonly use: Pick<LinkUse, 'used'>
  readonly clock: Clock
}

/** The policies as the records have them. */
export function recordedPolicies(journal: Pick<Journal, 'tables' | 'onChange'>): LinkPolicies {
  return {
    policy: (link) => linkPolicy(journal.tables, link),
    onChange: (listener) =>
      journal.onChange((changes) => {
        if (changes.some(({ table }) => table === 'linkPolicies')) listener()
      }),
  }
}

/** Where an administrator sees the links between sites, and says what may go over them. */
export class LinkDesk {
  readonly #parts: LinkDeskComponents

  constructor(parts: LinkDeskComponents) {
    this.#parts = parts
  }

  /** This site's to every other, and every one of which anything was said; what holds for all others comes first. */
  async status(): Promise<LinkStatus[]> {
    const { journal, roster } = this.#parts
    const here = this.#here
    const sites = new Set(roster.members().flatMap(({ state, site }) => (state === 'member' ? site : [])))
    const names = new Set([...sites].flatMap((site) => (site === here ? [] : linkBetween(here, site))))
    for await (const { key } of journal.tables.list('linkPolicies')) names.add(key)
    const used = await this.#used()
    names.delete(ANY_LINK)
    return [ANY_LINK, ...[...names].sort()].map((link) => this.#status(link, used.get(link) ?? 0, sites))
  }

  /** Of a pair of sites, or of `*`. What is not named stays as it is, null takes it back. */
  async set(link: string, said: LinkSettings, by: OnBehalf): Promise<void> {
    await this.#parts.journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      return Object.keys(said).length === 0 ? [] : [op('link.policy-set', { link, ...said }, by.actor)]
    })
  }

  get #here(): string {
    const { roster, journal } = this.#parts
    return roster.get(journal.node)?.site ?? ''
  }

  #status(link: string, used: number, sites: ReadonlySet<string>): LinkStatus {
    const { journal, clock } = this.#parts
    const now = clock.now()
    const policy = linkPolicy(journal.tables, link)
    const { closed, opensAt } = stateOf(policy, used, now)
    const pair = link === ANY_LINK ? null : link.split('/')
    return {
      link,
      sites: pair,
      class: classOf(policy, { closed, opensAt }, 'pull'),
      ...policy,
      closed,
      opensAt: opensAt === null ? null : new Date(opensAt).toISOString(),
      usedBytes: used,
      forecastBytes: forecast(used, now),
      rttMs: pair ? this.#rttMs(pair) : null,
      known: pair ? pair.every((site) => sites.has(site)) : true,
      disputed: journal.tables.get('disputedFields', `link:${link}`)?.fields ?? [],
    }
  }

  /** To the nearest of the other site's nodes; null for a link of other sites. */
  #rttMs(pair: readonly string[]): number | null {
    const { roster, network } = this.#parts
    const here = this.#here
    if (!pair.includes(here)) return null
    const far = roster.members().filter(({ site }) => site !== here && pair.includes(site))
    const measured = far.flatMap(({ id }) => network.rttMs(id) ?? [])
    return measured.length > 0 ? Math.min(...measured) : null
  }

  /** Of this site's links as this node counts; of others' as their nodes told. */
  async #used(): Promise<ReadonlyMap<string, number>> {
    const { journal, clock, use } = this.#parts
    const totals = new Map<string, { sent: number; received: number }>()
    for await (const { key, row } of journal.tables.list('linkUse', {
      prefix: `${monthOf(clock.now())}\u0000`,
    })) {
      const [, link = ''] = key.split('\u0000')
      const total = totals.get(link) ?? { sent: 0, received: 0 }
      totals.set(link, { sent: total.sent + row.sent, received: total.received + row.received })
    }
    const here = this.#here
    const used = new Map<string, number>()
    for (const [link, { sent, received }] of totals) used.set(link, Math.max(sent, received))
    for (const { site } of this.#parts.roster.members()) {
      const link = linkBetween(here, site)
      if (site !== here) used.set(link, use.used(link))
    }
    return used
  }
}
