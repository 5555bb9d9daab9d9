import type { Tables } from '../../src/journal/journal.ts'
import { type PlacementPolicy, placementOf } from '../../src/journal/placement-policy.ts'
import { inRepository, type ProjectRow } from '../../src/journal/rows.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type {
  BlobHolder,
  BlobWhere,
  PlacementStatus,
  PlacementView,
  ProjectPlacement,
  SitePlacement,
} from '../../src/registry/placement-view.ts'
import type { Member, Roster } from '../membership/roster.ts'
import type { Network, NodeId } from '../network/network.ts'
import type { Swarm } from '../swarm/swarm.ts'
import { berthsOf } from './berths.ts'
import { type Entry, entryOf, projectOf } from './catalog-walk.ts'
import type { Have, PlacementClient } from './placement-client.ts'
import type { Progress } from './placement-protocol.ts'
import { Policies } from './policies.ts'
import type { Records } from './records.ts'
import type { Residency } from './residency.ts'

export interface SurveyParts {
  readonly records: Pick<Records, 'node' | 'tables'>
  readonly roster: Roster
  readonly network: Pick<Network, 'connected'>
  readonly residency: Pick<Residency, 'mayHold' | 'allows'>
  readonly swarm: Pick<Swarm, 'holding'>
  readonly client: Pick<PlacementClient, 'held' | 'progress'>
  progress(): ReadonlyMap<string, Progress>
}

/** Tells people where copies are, by the word of the members that hold them. */
export class Survey implements PlacementView {
  readonly #parts: SurveyParts

  constructor(parts: SurveyParts) {
    this.#parts = parts
  }

  async where(digest: Digest): Promise<BlobWhere> {
    const { records, roster } = this.#parts
    const { tables } = records
    const entries = await entriesWith(tables, digest)
    const policies = new Policies(tables, berthsOf(roster, records))
    const members = roster.members().filter(({ id }) => roster.isMember(id))
    const holders = members.map(async (member) => ({
      ...told(member, records.node),
      have: await this.#have(member.id, digest),
      ...(await this.#duty(member, digest, entries, policies)),
    }))
    const projects = [...new Set(entries.map(({ repository }) => projectOf(repository)))]
    return {
      digest,
      size: entries[0]?.size ?? null,
      projects: projects.flatMap((id) => {
        const row = tables.get('projects', id)
        return row ? [{ name: row.name, ...inWords(row, placementOf(row)) }] : []
      }),
      members: (await Promise.all(holders)).toSorted(bySiteAndName),
    }
  }

  async status(): Promise<PlacementStatus> {
    const { records, roster, network, client } = this.#parts
    const members = roster.members().filter(({ id }) => roster.isMember(id))
    const connected = new Set(network.connected())
    const silent: string[] = []
    const asked = members.map(async (member): Promise<[site: string, Readonly<Record<string, Progress>>]> => {
      if (member.id === records.node) return [member.site, Object.fromEntries(this.#parts.progress())]
      try {
        if (connected.has(member.id)) return [member.site, await client.progress(member.id, NEVER)]
      } catch {
        // It is told of as one that did not answer.
      }
      silent.push(member.name)
      return [member.site, {}]
    })
    const progress = await Promise.all(asked)
    const projects: ProjectPlacement[] = []
    for await (const { key, row } of records.tables.list('projects')) {
      const policy = placementOf(row)
      const { sites: durability, waitMs: durabilityWaitMs, fallback: durabilityFallback } = policy.durability
      if (row.deleted || (policy.copies === 0 && policy.residency === null && durability === 1)) continue
      const sites = bySite(progress.map(([site, projects]) => [site, projects[key]]))
      const durable = { durability, durabilityWaitMs, durabilityFallback }
      projects.push({ name: row.name, ...inWords(row, policy), ...durable, sites })
    }
    return { projects, silent: silent.toSorted() }
  }

  async #have(member: NodeId, digest: Digest): Promise<Have | 'unknown'> {
    const { records, network, swarm, client } = this.#parts
    if (member === records.node) return swarm.holding(digest)
    if (!network.connected().includes(member)) return 'unknown'
    const held = await client.held(member, [digest], NEVER).catch(() => [])
    return held[0] ?? 'unknown'
  }

  async #duty(
    { id, site }: Member,
    digest: Digest,
    entries: readonly Entry[],
    policies: Policies,
  ): Promise<Pick<BlobHolder, 'should' | 'projects'>> {
    const { records, residency } = this.#parts
    const named = (some: readonly Entry[]) => [
      ...new Set(
        some.map(({ repository }) => records.tables.get('projects', projectOf(repository))?.name ?? ''),
      ),
    ]
    const kept = entries.filter((entry) => policies.keepers(entry).some((berth) => berth.id === id))
    if (kept.length > 0) return { should: 'keep', projects: named(kept) }
    if (!(await residency.mayHold(id, digest))) return { should: 'must-not', projects: [] }
    const open = entries.filter(({ repository }) => residency.allows(projectOf(repository), site))
    return { should: 'may', projects: named(open) }
  }
}

/** Each question has its own bound. */
const NEVER = new AbortController().signal

/** The tables find blobs by their digest, and manifests only by their repository: there every one is looked at. */
async function entriesWith(tables: Tables, digest: Digest): Promise<Entry[]> {
  const entries: Entry[] = []
  const take = (table: 'links' | 'manifests', repository: string) => {
    const key = inRepository(repository, digest)
    const entry = entryOf({ table, key, row: tables.get(table, key) })
    if (entry) entries.push(entry)
  }
  for await (const { row } of tables.list('holders', { prefix: inRepository(digest, '') }))
    take('links', row.repositoryKey)
  for await (const { key } of tables.list('repositories')) take('manifests', key)
  return entries
}

function told({ id, name, site }: Member, self: NodeId) {
  return { id, name, site, self: id === self }
}

function bySiteAndName(a: BlobHolder, b: BlobHolder): number {
  return a.site.localeCompare(b.site) || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1)
}

function inWords(row: ProjectRow, { residency }: PlacementPolicy) {
  const placement = row.metadata['placement']?.[0]?.value ?? 'on-demand'
  return { placement, residency: residency && [...residency].toSorted() }
}

function bySite(progress: readonly (readonly [site: string, Progress | undefined])[]): SitePlacement[] {
  const sites = new Map<string, SitePlacement>()
  for (const [site, one] of progress) {
    if (!one || one.wanted === 0) continue
    const sum = sites.get(site) ?? { site, wanted: 0, placed: 0, wantedBytes: 0, placedBytes: 0 }
    sites.set(site, {
      site,
      wanted: sum.wanted + one.wanted,
      placed: sum.placed + one.placed,
      wantedBytes: sum.wantedBytes + one.wantedBytes,
      placedBytes: sum.placedBytes + one.placedBytes,
    })
  }
  return [...sites.values()].toSorted((a, b) => a.site.localeCompare(b.site))
}
