/** How much of a bench is run. */
export interface Scale {
  /** A minute instead of many: shows that it works, its figures are rough. */
  readonly brief: boolean
  /** With the cases of 1,000,000 ops. */
  readonly long: boolean
}
