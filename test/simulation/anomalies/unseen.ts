import fc from 'fast-check'
import { type Frontier, reaches } from '../../../src/journal/op.ts'
import { mayDeleteBytes } from '../../../src/journal/stability.ts'
import { deliver, PLAIN } from './delivery.ts'
import { foundedCluster } from './founding.ts'
import { removedAdmin } from './rights.ts'
import { arbitrary, promised, sitesApart, together, type Variant } from './variant.ts'

/** What somebody holds back. */
export interface Withholding {
  readonly variant: Variant
  /** The site whose entries are held back, from one of the last on. */
  readonly liar: number
  readonly hidden: number
}

export const withholdings: fc.Arbitrary<Withholding> = fc.record({
  variant: arbitrary({ ...removedAdmin, steps: 8 }),
  liar: fc.nat(2),
  hidden: fc.integer({ min: 1, max: 3 }),
})

/** A site is told all but what somebody hides: it takes nothing that rests on it, and says what it lacks. */
export async function withhold({ variant, liar, hidden }: Withholding): Promise<void> {
  const founded = await foundedCluster()
  const sites = await sitesApart(founded)
  for (const { site: at, act, pick, hears, clock } of variant.steps) {
    const site = sites[at] as (typeof sites)[number]
    const teller = sites[hears]
    if (teller && teller !== site) await deliver(site, teller.entries(), PLAIN)
    const written = removedAdmin.acts[act]?.({ site, people: founded.people, pick, clock })
    if (!written) continue
    const [lane, ...ops] = written
    await site.commit(lane, ...ops)
  }
  const reader = sites[(liar + 1) % 3] as (typeof sites)[number]
  const author = (sites[liar] as (typeof sites)[number]).node
  const held = reader.sequencer.frontier()[`authority@${author}`] ?? 0
  const all = [
    ...new Map(
      sites.flatMap((one) => one.entries()).map((entry) => [`${entry.author}:${entry.seq}`, entry]),
    ).values(),
  ]
  const last = Math.max(...all.filter((entry) => entry.author === author).map(({ seq }) => seq))
  const told = Math.max(held, last - hidden)
  const hiddenFrom = (seen: Frontier) => (seen[`authority@${author}`] ?? 0) > told
  // In any order the reader comes as far as it can without what is hidden.
  for (let moved = true; moved; ) {
    moved = false
    for (const entry of all) {
      const lacks = (entry.author === author && entry.seq > told) || hiddenFrom(entry.seen)
      if (entry.author === author && entry.seq > told) continue
      const taken = await reader.take([entry])
      moved ||= taken === 1
      if (
        taken === 0 &&
        lacks &&
        !reaches(reader.sequencer.frontier(), { feed: `authority@${entry.author}`, seq: entry.seq })
      ) {
        promised(
          reader.sequencer.missing(entry) !== undefined,
          'who is kept from something knows what it lacks',
        )
      }
      promised(taken === 0 || !lacks, 'nothing counts before what it rests on is known')
    }
  }
  await removedAdmin.promise(await together(founded.people, sites, variant.deliveries))
}

/** Bytes whose last reference was removed, and how far each member is known to have come. */
export const collections = fc.record({
  referenced: fc.boolean(),
  leased: fc.boolean(),
  unreferencedMs: fc.nat(20),
  graceMs: fc.nat(20),
  removals: fc.array(
    fc.record({
      feed: fc.constantFrom('catalog/system@a', 'catalog/system@b'),
      seq: fc.integer({ min: 1, max: 4 }),
    }),
    { maxLength: 3 },
  ),
  frontiers: fc.array(fc.option(fc.record({ a: fc.nat(5), b: fc.nat(5) }), { nil: undefined }), {
    minLength: 1,
    maxLength: 4,
  }),
})

type Collection = typeof collections extends fc.Arbitrary<infer T> ? T : never

/** Bytes go only where nobody can still be pushing what refers to them. */
export function collect({ frontiers, ...about }: Collection): void {
  const members = frontiers.map((_, index) => `n${index}`)
  const seen = new Map<string, Frontier>()
  for (const [index, known] of frontiers.entries()) {
    if (known) seen.set(`n${index}`, { 'catalog/system@a': known.a, 'catalog/system@b': known.b })
  }
  const deleted = mayDeleteBytes({ ...about, members, seen })
  const unaware = members.some(
    (member) => !about.removals.every((one) => reaches(seen.get(member) ?? {}, one)),
  )
  const silent = members.some((member) => !seen.has(member))
  promised(!deleted || !(about.referenced || about.leased), 'bytes that something needs stay')
  promised(!deleted || about.unreferencedMs > about.graceMs, 'they stay for the grace')
  promised(!deleted || !(unaware || silent), 'with a member that has not seen why they wait')
  const free =
    !about.referenced && !about.leased && about.unreferencedMs > about.graceMs && !unaware && !silent
  promised(deleted === free, 'what nobody can need any more goes')
}
