import { LINK_FIELDS } from '../../link-policy.ts'
import { isSplit } from '../../register.ts'
import type { LinkPolicyRow, ProjectRow, Register, UserRow } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'

/** What a profile says, for people; rights and secrets have rules of their own and are no matter of choice. */
export const PROFILE = ['email', 'realname', 'comment'] as const

/** What people fill in field by field. */
export type FilledIn = UserRow | ProjectRow | LinkPolicyRow

/** The registers of a row that people fill in. */
export function fieldsOf(row: FilledIn): readonly (readonly [string, Register<string>])[] {
  if ('link' in row) return LINK_FIELDS.map((field) => [field, asTexts(row[field])] as const)
  return 'email' in row ? PROFILE.map((field) => [field, row[field]] as const) : Object.entries(row.metadata)
}

/** Notes which fields sites filled in unaware of each other. @param key `user:<id>`, `project:<id>`, `link:<site>/<site>` */
export function noteFields(draft: Draft, key: string, row: FilledIn | undefined): void {
  const filled = row && !('deleted' in row && row.deleted) ? fieldsOf(row) : []
  const fields = filled.filter(([, register]) => isSplit(register)).map(([name]) => name)
  if (fields.length > 0) draft.put('disputedFields', key, { fields })
  else if (draft.get('disputedFields', key)) draft.delete('disputedFields', key)
}

/** As people read them: nothing where what was said was taken back. */
function asTexts(register: Register<number | string | boolean | null>): Register<string> {
  return register.map((one) => ({ ...one, value: one.value === null ? '' : String(one.value) }))
}
