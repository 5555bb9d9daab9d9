import type { Agreement } from '../cluster.ts'
import type { Call } from '../history.ts'
import type { Crash } from '../node.ts'
import { servedBytes } from './bytes.ts'
import { agreed, oneAdminLeft, writableAgain } from './ending.ts'
import { noCrashes, noDefects, rightsAreKept } from './processes.ts'
import { acknowledgedPushes, acknowledgedRecords } from './pushes.ts'
import { monotoneReads } from './reads.ts'
import { revocations } from './revocations.ts'

/** A promise that was not kept, and the calls that show it. */
export interface Violation {
  readonly promise: string
  readonly what: string
  readonly calls: readonly number[]
}

/** What stood when the faults were over. */
export interface Ending {
  readonly agreement: Agreement
  /** What a node's own entries come to in the reference reducer, and what that node had said. */
  readonly reference?: { readonly node: string; readonly hash: string; readonly expected: string } | undefined
  readonly writes: readonly FinalWrite[]
  /** Administrators after each had taken the right from the others at another site; undefined when not tried. */
  readonly adminsAfterDuel?: readonly string[] | undefined
  readonly crashes: readonly Crash[]
  /** Lines a node should not have written. */
  readonly logLines: readonly { readonly node: string; readonly line: string }[]
}

export interface FinalWrite {
  readonly node: string
  /** From the end of the faults; undefined when it was never taken. */
  readonly acknowledgedMs: number | undefined
  /** Until every node served it; undefined when it never was. */
  readonly reachedMs: number | undefined
  readonly missing: readonly string[]
}

export type Checker = (calls: readonly Call[], ending: Ending) => Violation[]

/** Every checker, by the promise it watches (RELIABILITY 5.3). */
export const CHECKERS: readonly Checker[] = [
  acknowledgedPushes,
  acknowledgedRecords,
  servedBytes,
  agreed,
  revocations,
  writableAgain,
  oneAdminLeft,
  monotoneReads,
  noCrashes,
  noDefects,
  rightsAreKept,
]

export function check(calls: readonly Call[], ending: Ending): Violation[] {
  return CHECKERS.flatMap((checker) => checker(calls, ending))
}
