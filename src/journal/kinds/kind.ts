import type { z } from 'zod'
import type { LaneFamily } from '../op.ts'

/** One kind of record: where it belongs, which version this is, and what its body looks like. */
export interface Kind<F extends LaneFamily, T extends z.ZodType> {
  readonly family: F
  readonly version: number
  readonly body: T
}

export const authority = <T extends z.ZodType>(body: T): Kind<'authority', T> => ({
  family: 'authority',
  version: 1,
  body,
})
export const catalog = <T extends z.ZodType>(body: T): Kind<'catalog', T> => ({
  family: 'catalog',
  version: 1,
  body,
})
export const verdicts = <T extends z.ZodType>(body: T): Kind<'verdicts', T> => ({
  family: 'verdicts',
  version: 1,
  body,
})
export const trail = <T extends z.ZodType>(body: T): Kind<'trail', T> => ({
  family: 'trail',
  version: 1,
  body,
})
