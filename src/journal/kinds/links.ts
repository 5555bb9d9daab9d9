import { z } from 'zod'
import { LINK_RATE_MIN } from '../../limits.ts'
import { parseHours } from '../link-hours.ts'
import { count } from './fields.ts'
import { authority, trail } from './kind.ts'

const SITE = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const PAIR = new RegExp(`^${SITE}/${SITE}$`)

/** Two sites by name, the lesser first, as `hq/shop-7`; `*` stands for every pair without a policy of its own. */
const link = z
  .string()
  .max(127)
  .refine((name) => name === '*' || (PAIR.test(name) && isInOrder(name)), 'no pair of sites')

function isInOrder(name: string): boolean {
  const [a = '', b = ''] = name.split('/')
  return a < b
}

/** What can be said of a link. `null` takes back what was said. */
export const linkFields = {
  /** Bytes a second, each way. */
  rate: z.number().int().min(LINK_RATE_MIN).max(Number.MAX_SAFE_INTEGER).nullable(),
  /** When bulk may go over it. */
  hours: z
    .string()
    .refine(
      (text) => parseHours(text) !== undefined,
      'must be windows such as 22:00-06:00 or "mon-fri 22:00-06:00, sat-sun 00:00-24:00 UTC+01:00"',
    )
    .nullable(),
  /** Bytes of a calendar month (UTC), both ways together. */
  budget: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).nullable(),
  forbidden: z.boolean().nullable(),
}

export const linkKinds = {
  /** What is not named stays as it is. */
  'link.policy-set': authority(
    z.strictObject({
      link,
      rate: linkFields.rate.optional(),
      hours: linkFields.hours.optional(),
      budget: linkFields.budget.optional(),
      forbidden: linkFields.forbidden.optional(),
    }),
  ),
  /** Bytes of blobs the author node gave to and got over a link this month: its own counts, which only grow. */
  'link.counted': trail(z.strictObject({ link, sent: count, received: count })),
} as const
