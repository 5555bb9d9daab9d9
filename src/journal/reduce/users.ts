import type { Op } from '../op.ts'
import { addClaim, assign, dropClaim } from '../register.ts'
import type { Register, UserRow } from '../rows.ts'
import type { Draft } from '../table-store.ts'
import type { Reducers } from './reduce.ts'

/** One name for what people can't tell apart at a login prompt. */
export function foldName(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

export function claimKey(
  what: 'user-name' | 'user-number' | 'project-name' | 'project-number',
  value: string | number,
): string {
  return `${what}:${typeof value === 'string' ? foldName(value) : value}`
}

export function claim(draft: Draft, key: string, op: Op): void {
  draft.put('claims', key, addClaim(draft.get('claims', key) ?? [], { id: op.id, depth: op.depth }))
}

export function unclaim(draft: Draft, key: string, id: string): void {
  const left = dropClaim(draft.get('claims', key) ?? [], id)
  if (left.length > 0) draft.put('claims', key, left)
  else draft.delete('claims', key)
}

const first = <T>(op: Op, value: T): Register<T> => assign([], op, value)

export const userReducers: Reducers<
  'user.created' | 'user.profile-set' | 'user.admin-set' | 'user.password-set' | 'user.deleted'
> = {
  'user.created'(draft, op, body) {
    draft.put('users', op.id, {
      id: op.id,
      number: body.number,
      name: body.name,
      createdAt: op.time,
      deleted: false,
      email: first(op, body.email),
      realname: first(op, body.realname),
      comment: first(op, body.comment),
      admin: first(op, body.admin),
      password: { hash: body.passwordHash, epoch: 1, id: op.id },
    })
    claim(draft, claimKey('user-name', body.name), op)
    claim(draft, claimKey('user-number', body.number), op)
    return undefined
  },

  'user.profile-set'(draft, op, body) {
    return change(draft, body.user, (row) => ({
      ...row,
      ...(body.email !== undefined && { email: assign(row.email, op, body.email) }),
      ...(body.realname !== undefined && { realname: assign(row.realname, op, body.realname) }),
      ...(body.comment !== undefined && { comment: assign(row.comment, op, body.comment) }),
    }))
  },

  'user.admin-set'(draft, op, body) {
    return change(draft, body.user, (row) => ({ ...row, admin: assign(row.admin, op, body.admin) }))
  },

  'user.password-set'(draft, op, body) {
    return change(draft, body.user, (row) => {
      const { epoch, id } = row.password
      const newer = body.epoch > epoch || (body.epoch === epoch && op.id > id)
      return newer ? { ...row, password: { hash: body.passwordHash, epoch: body.epoch, id: op.id } } : row
    })
  },

  'user.deleted'(draft, _op, body) {
    return change(draft, body.user, (row) => {
      unclaim(draft, claimKey('user-name', row.name), row.id)
      unclaim(draft, claimKey('user-number', row.number), row.id)
      return { ...row, deleted: true }
    })
  },
}

/** Changes go on being merged into a deleted account, so that the order of arrival leaves no trace. */
function change(draft: Draft, id: string, next: (row: UserRow) => UserRow): string | undefined {
  const row = draft.get('users', id)
  if (!row) return 'no such user'
  draft.put('users', id, next(row))
  return undefined
}
