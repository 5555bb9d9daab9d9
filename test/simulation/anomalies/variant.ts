import { encode } from 'cborg'
import fc from 'fast-check'
import type { Readable } from '../../../src/journal/effective.ts'
import { type Entry, hasSeen, type Lane, type NewOp, type Op } from '../../../src/journal/op.ts'
import type { IneffectiveRow, Register } from '../../../src/journal/rows.ts'
import { opsOf } from '../reference/past.ts'
import { type ReferenceState, referenceState } from '../reference/reference.ts'
import { type Delivery, deliver, PLAIN } from './delivery.ts'
import { CLUSTER, type Founded, foundedCluster, NODES, type People } from './founding.ts'
import { type Resting, Site } from './site.ts'

/** Somebody doing something somewhere, and what that site had heard before. */
export interface Step {
  readonly site: number
  readonly act: number
  /** Which of several people, names or values. */
  readonly pick: number
  /** The site it hears from first; none past the last. */
  readonly hears: number
  /** What the site's clock shows. */
  readonly clock: number
}

export interface Variant {
  readonly steps: readonly Step[]
  readonly deliveries: readonly Delivery[]
}

/** What a site would write when somebody does this; undefined where it makes no sense there. */
export type Act = (here: {
  site: Site
  people: People
  pick: number
  clock: number
}) => readonly [Lane, ...NewOp[]] | undefined

/** What is over when all sites have heard of everything. */
export interface Outcome {
  readonly people: People
  readonly sites: readonly Site[]
  /** Any site's: they are the same. */
  readonly tables: Readable
  readonly reference: ReferenceState
  /** What the steps wrote. */
  readonly ops: readonly Op[]
  readonly entries: readonly Entry[]
  ineffective(op: Pick<Op, 'id' | 'dot'>): IneffectiveRow | undefined
  /** Those that count, fully or not: not `refused`. */
  counting(kind: string, about?: (body: never) => boolean): readonly Op[]
}

export interface Anomaly {
  readonly number: number
  /** As the test is called: `anomaly 07: …`. */
  readonly name: string
  readonly acts: readonly Act[]
  /** What is promised, whatever happened; throws where it does not hold. */
  readonly promise: (outcome: Outcome) => void | Promise<void>
  /** Steps of a variant; six where it does not say. */
  readonly steps?: number
}

export function arbitrary({ acts, steps = 6 }: Pick<Anomaly, 'acts' | 'steps'>): fc.Arbitrary<Variant> {
  const step = fc.record({
    site: fc.nat(NODES.length - 1),
    act: fc.nat(acts.length - 1),
    pick: fc.nat(11),
    // Most say something before they hear anything: that is what a partition is.
    hears: fc.nat(NODES.length * 4),
    clock: fc.oneof(fc.nat(1000), fc.constantFrom(2 ** 47, 1)),
  })
  const delivery = fc.record({
    salt: fc.nat(2 ** 31),
    batch: fc.integer({ min: 1, max: 4 }),
    twice: fc.boolean(),
    early: fc.boolean(),
  })
  return fc.record({
    steps: fc.array(step, { minLength: 2, maxLength: steps, size: 'max' }),
    deliveries: fc.array(delivery, { minLength: NODES.length, maxLength: NODES.length }),
  })
}

/** Lives a variant through, sees that all sites and the reference agree, and that the promise holds. */
export async function live(anomaly: Anomaly, variant: Variant): Promise<Outcome> {
  const outcome = await outcomeOf(anomaly.acts, variant)
  await anomaly.promise(outcome)
  return outcome
}

/** Variants are lived through one after the other, by the same three journals. */
let pool: readonly [Site, Site, Site] | undefined

/** The three sites as they were when the link broke. */
export async function sitesApart({ resting }: Founded): Promise<readonly [Site, Site, Site]> {
  pool ??= NODES.map((node) => new Site(node, CLUSTER)) as [Site, Site, Site]
  for (const [index, site] of pool.entries()) await site.start(resting[index] as Resting)
  return pool
}

export async function outcomeOf(acts: readonly Act[], { steps, deliveries }: Variant): Promise<Outcome> {
  const founded = await foundedCluster()
  const { people } = founded
  const sites = await sitesApart(founded)
  for (const { site: at, act, pick, hears, clock } of steps) {
    const site = sites[at] as Site
    const teller = sites[hears]
    if (teller && teller !== site) await deliver(site, teller.entries(), PLAIN)
    const written = (acts[act] as Act)({ site, people, pick, clock })
    if (!written) continue
    site.time = clock
    const [lane, ...ops] = written
    await site.commit(lane, ...ops)
  }
  return together(people, sites, deliveries)
}

/** Lets every site hear of everything, each in an order of its own. */
export async function together(
  people: People,
  sites: readonly Site[],
  deliveries: readonly Delivery[] = [],
): Promise<Outcome> {
  const entries = everything(sites)
  for (const [index, site] of sites.entries()) await deliver(site, entries, deliveries[index] ?? PLAIN)
  return outcome(people, sites, entries)
}

function everything(sites: readonly Site[]): Entry[] {
  const known = new Map<string, Entry>()
  for (const site of sites) {
    for (const entry of site.entries())
      known.set(`${entry.lane}@${entry.author}.${entry.life ?? ''}:${entry.seq}`, entry)
  }
  return [...known.values()]
}

async function outcome(people: People, sites: readonly Site[], entries: readonly Entry[]): Promise<Outcome> {
  const reference = referenceState(entries)
  for (const site of sites) {
    await indexed(site)
    if (site.tables.stateHash() === reference.stateHash) continue
    throw new Error(
      `${site.node.slice(0, 1)} differs from the reference: ${await difference(site, reference)}`,
    )
  }
  const { tables } = sites[0] as Site
  const before = foundingIds((await foundedCluster()).resting[0].entries)
  const ops = opsOf(entries).filter(({ id }) => !before.has(id))
  const ineffective = ({ id, dot }: Pick<Op, 'id' | 'dot'>) =>
    tables.get('ineffective', `${dot.feed.split(/[/@]/)[0]}/${id}`)
  return {
    people,
    sites,
    tables,
    reference,
    ops,
    entries,
    ineffective,
    counting: (kind, about = () => true) =>
      ops.filter(
        (op) => op.kind === kind && about(op.body as never) && ineffective(op)?.outcome !== 'refused',
      ),
  }
}

/** What a node keeps to find conflicts by is in no hash: it must be what the rows say. */
async function indexed({ node, tables }: Site): Promise<void> {
  const expected = new Set<string>()
  for await (const { key, row } of tables.list('tags')) {
    const refused = row.ops?.some(
      ({ id }) => tables.get('ineffective', `catalog/${id}`)?.reason === 'immutable',
    )
    if (refused || differ(row.values)) expected.add(`tag ${key}`)
  }
  for await (const { key, row } of tables.list('users')) {
    if (!row.deleted && [row.email, row.realname, row.comment].some(differ)) expected.add(`user:${key}`)
  }
  for await (const { key, row } of tables.list('projects')) {
    if (!row.deleted && Object.values(row.metadata).some(differ)) expected.add(`project:${key}`)
  }
  const found = new Set<string>()
  for await (const { key } of tables.list('disputes')) found.add(`tag ${key}`)
  for await (const { key } of tables.list('disputedFields')) found.add(key)
  const wrong = [...expected, ...found].filter((key) => !expected.has(key) || !found.has(key))
  if (wrong.length > 0)
    throw new Error(`${node.slice(0, 1)} finds conflicts wrongly: ${JSON.stringify(wrong)}`)
}

function differ(register: Register<string>): boolean {
  return new Set(register.map(({ value }) => value)).size > 1
}

let founding: ReadonlySet<string> | undefined

function foundingIds(entries: readonly Entry[]): ReadonlySet<string> {
  founding ??= new Set(opsOf(entries).map(({ id }) => id))
  return founding
}

/** The first rows in which a site and the reference differ. */
async function difference(site: Site, reference: ReferenceState): Promise<string> {
  const found: string[] = []
  const tables = new Set([...reference.tables.keys(), ...SHARED])
  for (const table of tables) {
    const rows = new Map<string, unknown>()
    for await (const { key, row } of site.tables.list(table as 'users')) rows.set(key, row)
    const expected = reference.tables.get(table) ?? new Map<string, unknown>()
    for (const key of new Set([...rows.keys(), ...expected.keys()])) {
      const [here, there] = [rows.get(key), expected.get(key)]
      if (here && there && Buffer.from(encode(here)).equals(encode(there))) continue
      found.push(`\n${table} ${JSON.stringify(key)}\n  site:      ${text(here)}\n  reference: ${text(there)}`)
    }
  }
  return found.slice(0, 6).join('') || 'in the hash alone'
}

const SHARED = [
  'cluster',
  'nodes',
  'invites',
  'users',
  'projects',
  'claims',
  'members',
  'memberships',
  'repositories',
  'links',
  'holders',
  'manifests',
  'tags',
  'tagged',
  'referrers',
  'quotas',
  'ineffective',
  'snapshots',
  'networkKeys',
  'linkPolicies',
  'verdicts',
  'events',
  'pulls',
  'linkUse',
]

function text(row: unknown): string {
  return row === undefined ? 'no row' : JSON.stringify(row)
}

/** Whether `later` had seen `earlier`. */
export function saw(later: Op, earlier: Op): boolean {
  return hasSeen(later, earlier.dot)
}

/** Fails with what was promised. */
export function promised(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`broken: ${what}`)
}
