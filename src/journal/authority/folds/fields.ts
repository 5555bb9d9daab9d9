import { isSplit } from '../../register.ts'
import type { ProjectRow, Register, UserRow } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'

/** What a profile says, for people; rights and secrets have rules of their own and are no matter of choice. */
export const PROFILE = ['email', 'realname', 'comment'] as const

/** The registers of a row that people fill in. */
export function fieldsOf(row: UserRow | ProjectRow): readonly (readonly [string, Register<string>])[] {
  return 'email' in row ? PROFILE.map((field) => [field, row[field]] as const) : Object.entries(row.metadata)
}

/** Notes which fields sites filled in unaware of each other. @param key `user:<id>`, `project:<id>` */
export function noteFields(draft: Draft, key: string, row: UserRow | ProjectRow | undefined): void {
  const filled = row && !row.deleted ? fieldsOf(row) : []
  const fields = filled.filter(([, register]) => isSplit(register)).map(([name]) => name)
  if (fields.length > 0) draft.put('disputedFields', key, { fields })
  else if (draft.get('disputedFields', key)) draft.delete('disputedFields', key)
}
