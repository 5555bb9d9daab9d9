import { z } from 'zod'
import { count, digest, line } from './fields.ts'
import { verdicts } from './kind.ts'

export const severity = z.enum(['none', 'unknown', 'low', 'medium', 'high', 'critical'])

export const verdictKinds = {
  /** What one scanner, with one state of its database, found in one image. */
  'verdict.recorded': verdicts(
    z.strictObject({
      digest,
      scanner: line(64).min(1),
      /** Sorts by age among the scanner's own, such as an ISO 8601 date. */
      database: line(64).min(1),
      severity,
      /** Findings by severity. */
      counts: z.partialRecord(severity, count),
      /** The report, as a blob. */
      report: digest.nullable(),
    }),
  ),
} as const
