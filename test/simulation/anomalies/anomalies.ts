import fc from 'fast-check'
import { deleteAgainstUpdate, directoryGroups, missingRole, oldPassword, sameName } from './accounts.ts'
import {
  deleteAgainstPush,
  immutableTwice,
  movedTag,
  overspending,
  tightening,
  twoScanners,
} from './content.ts'
import { everything } from './everything.ts'
import { compaction, recovered, twoFaced } from './membership.ts'
import { restorations, restore } from './restored.ts'
import { backDated, duel, grantAgainstRevoke, lastOwner, removedAdmin } from './rights.ts'
import { clockJumps, liveWithJumps, wrongClock } from './times.ts'
import { collect, collections, withhold, withholdings } from './unseen.ts'
import { type Anomaly, arbitrary, live } from './variant.ts'

/** One of the 24 ways in which sites that do not hear of each other come to disagree, and its random variants. */
export interface Named {
  readonly number: number
  readonly name: string
  readonly property: () => fc.IRawProperty<unknown>
}

function ofActs(anomaly: Anomaly): Named {
  const property = () =>
    fc.asyncProperty(arbitrary(anomaly), async (variant) => void (await live(anomaly, variant)))
  return { number: anomaly.number, name: anomaly.name, property }
}

function special<T>(
  number: number,
  name: string,
  variants: fc.Arbitrary<T>,
  liveThrough: (variant: T) => Promise<void> | void,
): Named {
  const property = () =>
    fc.asyncProperty(variants, async (variant) => {
      await liveThrough(variant)
    })
  return { number, name, property }
}

export const anomalies: readonly Named[] = [
  ...[
    grantAgainstRevoke,
    removedAdmin,
    backDated,
    duel,
    lastOwner,
    deleteAgainstUpdate,
    sameName,
    missingRole,
    oldPassword,
    directoryGroups,
    overspending,
    movedTag,
    immutableTwice,
    tightening,
    deleteAgainstPush,
    wrongClock,
    recovered,
    twoFaced,
    compaction,
    twoScanners,
  ].map(ofActs),
  special(16, 'bytes are collected while somebody else may refer to them', collections, collect),
  special(18, 'a clock jumps back or ahead', clockJumps, liveWithJumps),
  special(19, 'a node is restored from a backup', restorations, restore),
  special(22, 'a node holds back what it knows', withholdings, withhold),
].sort((a, b) => a.number - b.number)

/** Everything that can happen, in one. */
export const allAtOnce: Named = ofActs({
  number: 0,
  name: 'everything at once',
  ...everything,
  promise: () => undefined,
})

/** As tests and the guarantees call it. */
export function titleOf({ number, name }: Pick<Named, 'number' | 'name'>): string {
  return `anomaly ${String(number).padStart(2, '0')}: ${name}`
}
