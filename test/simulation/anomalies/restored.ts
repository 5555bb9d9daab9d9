import fc from 'fast-check'
import { type Entry, feedOf } from '../../../src/journal/op.ts'
import { deliver, PLAIN } from './delivery.ts'
import { foundedCluster } from './founding.ts'
import { grantAgainstRevoke } from './rights.ts'
import type { Site } from './site.ts'
import { arbitrary, promised, sitesApart, together, type Variant } from './variant.ts'

/** What happened before a site was set back, what it lost, and what followed. */
export interface Restoration {
  readonly variant: Variant
  /** Steps before the backup, and from there to the loss. */
  readonly backup: number
  readonly loss: number
  readonly site: number
}

export const restorations: fc.Arbitrary<Restoration> = fc.record({
  variant: arbitrary({ ...grantAgainstRevoke, steps: 9 }),
  backup: fc.nat(4),
  loss: fc.nat(4),
  site: fc.nat(2),
})

/** Steps at sites that are there already. */
async function act(sites: readonly Site[], steps: Variant['steps']): Promise<void> {
  const { people } = await foundedCluster()
  for (const { site: at, act: which, pick, hears, clock } of steps) {
    const site = sites[at] as Site
    const teller = sites[hears]
    if (teller && teller !== site) await deliver(site, teller.entries(), PLAIN)
    const written = grantAgainstRevoke.acts[which]?.({ site, people, pick, clock })
    if (!written) continue
    const [lane, ...ops] = written
    await site.commit(lane, ...ops)
  }
}

/** A site comes back from a backup, hears what others have, goes on in a new incarnation. */
export async function restore({ variant, backup, loss, site: at }: Restoration): Promise<void> {
  const founded = await foundedCluster()
  const sites = await sitesApart(founded)
  const { steps, deliveries } = variant
  await act(sites, steps.slice(0, backup))
  const site = sites[at] as Site
  const kept = site.rest()
  await act(sites, steps.slice(backup, backup + loss))
  const lost = new Set(site.entries())
  await site.start(kept)
  const others = sites.filter((one) => one !== site)
  for (const other of others) await deliver(site, known(other, others), PLAIN)
  site.sequencer.continueAs('l2')
  await act(sites, steps.slice(backup + loss))
  const outcome = await together(founded.people, sites, deliveries)
  const places = new Map<string, Entry>()
  for (const entry of [...outcome.entries, ...lost]) {
    const place = `${feedOf(entry)}:${entry.seq}`
    const other = places.get(place) ?? entry
    promised(JSON.stringify(other) === JSON.stringify(entry), 'no number is ever used twice')
    places.set(place, entry)
  }
  await grantAgainstRevoke.promise(outcome)
}

/** What a site can tell without what only the lost one had. */
function known(site: Site, others: readonly Site[]): Entry[] {
  return [...new Set([...site.entries(), ...others.flatMap((one) => one.entries())])]
}
