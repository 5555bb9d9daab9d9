import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Acknowledged } from './phase.ts'

/** A line of the record a child leaves: what it told somebody, or what its disk held for certain. */
export type Line =
  | { readonly acknowledged: Acknowledged }
  | { readonly synced: { readonly file: string; readonly bytes: number } }
  | { readonly step: string }

/** Where in the scene the record is. */
export const RECORD = 'record'

export async function readRecord(directory: string): Promise<Line[]> {
  const text = await readFile(join(directory, RECORD), 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line)
}

export function acknowledgedIn(record: readonly Line[]): Acknowledged[] {
  return record.flatMap((line) => ('acknowledged' in line ? [line.acknowledged] : []))
}
