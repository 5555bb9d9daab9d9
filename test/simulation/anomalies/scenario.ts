import { test } from 'vitest'
import type { Lane, NewOp } from '../../../src/journal/op.ts'
import { anomalies, titleOf } from './anomalies.ts'
import { deliver, PLAIN } from './delivery.ts'
import { foundedCluster, type People } from './founding.ts'
import type { Site } from './site.ts'
import { type Outcome, sitesApart, together } from './variant.ts'

/** Three sites whose links just broke. */
export interface Apart extends People {
  readonly a: Site
  readonly b: Site
  readonly c: Site
  /** @returns the id of what was made last; fails where the site's own door refuses */
  readonly write: (site: Site, lane: Lane, ...ops: readonly NewOp[]) => Promise<string>
  /** One site hears all that another holds. */
  readonly hear: (site: Site, teller: Site) => Promise<void>
  /** The links are back. */
  readonly meet: () => Promise<Outcome>
}

/**
 * The story of an anomaly; random variants of it are in `anomalies.test.ts`.
 * @param promise where there is more than one story, what this one shows
 */
export function scenario(number: number, tell: (apart: Apart) => Promise<void>, promise?: string): void {
  const anomaly = anomalies.find((one) => one.number === number)
  const title = anomaly ? titleOf(anomaly) : `anomaly ${number} is none`
  test(promise ? `${title}: ${promise}` : title, async () => {
    const founded = await foundedCluster()
    const [a, b, c] = await sitesApart(founded)
    await tell({
      ...founded.people,
      a,
      b,
      c,
      write: async (site, lane, ...ops) =>
        (await site.sequencer.commit(lane, () => ops)).ids.at(-1) as string,
      hear: (site, teller) => deliver(site, teller.entries(), PLAIN),
      meet: () => together(founded.people, [a, b, c]),
    })
  })
}
