import type { Register } from './registers.ts'

/** What was said of a link between two sites, or of all that nothing was said of. */
export interface LinkPolicyRow {
  /** `<site>/<site>`, the lesser first; or `*`. */
  readonly link: string
  /** Bytes a second; null where it was taken back, as in what follows. */
  readonly rate: Register<number | null>
  readonly hours: Register<string | null>
  /** Bytes of a calendar month (UTC). */
  readonly budget: Register<number | null>
  /** Restrict-wins: forbidden while any sibling says so. */
  readonly forbidden: Register<boolean | null>
}

/** Bytes of blobs one node gave to and got over a link in a month. */
export interface LinkUseRow {
  readonly sent: number
  readonly received: number
}
