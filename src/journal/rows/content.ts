import type { Register } from './registers.ts'

export interface VerdictRow {
  readonly digest: string
  readonly scanner: string
  readonly database: string
  /** Every node's finding; they should agree, and where they do not the worst counts. */
  readonly found: Register<Finding>
}

export interface Finding {
  readonly severity: Severity
  readonly counts: Readonly<Partial<Record<Severity, number>>>
  readonly report: string | null
}

export type Severity = 'none' | 'unknown' | 'low' | 'medium' | 'high' | 'critical'

export interface EventRow {
  readonly time: number
  readonly actor: string
  readonly author: string
  readonly action: string
  readonly resource: string
  readonly client: string | null
  readonly outcome: 'done' | 'refused' | 'failed'
}
