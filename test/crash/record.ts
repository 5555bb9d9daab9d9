import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Held } from './disk-steps.ts'
import type { Acknowledged } from './phase.ts'

/** A line of the record a node leaves: what it told somebody, a step it took, and how it came to its end. */
export type Line =
  | { readonly acknowledged: Acknowledged }
  | { readonly step: string }
  | { readonly held: Held }
  | { readonly complaint: string }

/** Where in the scene the record is. */
export const RECORD = 'record'

export interface Report {
  readonly acknowledged: readonly Acknowledged[]
  readonly steps: readonly string[]
  readonly held: Held | undefined
  readonly complaint: string | undefined
}

export function readRecord(directory: string): Report {
  const acknowledged: Acknowledged[] = []
  const steps: string[] = []
  let held: Held | undefined
  let complaint: string | undefined
  for (const text of textOf(join(directory, RECORD)).split('\n').filter(Boolean)) {
    const line = JSON.parse(text) as Line
    if ('acknowledged' in line) acknowledged.push(line.acknowledged)
    else if ('step' in line) steps.push(line.step)
    else if ('held' in line) held = line.held
    else complaint = line.complaint
  }
  return { acknowledged, steps, held, complaint }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
