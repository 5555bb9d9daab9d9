import { hasSeen } from '../../op.ts'
import { assign } from '../../register.ts'
import type { GroupsSeen, HistoryOp, Register, UserRow } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'
import { bodyOf } from '../bodies.ts'
import { namingOp, reclaimNames } from './claims.ts'
import { noteFields } from './fields.ts'
import type { Lost } from './fold.ts'

const first = <T>(op: HistoryOp, value: T): Register<T> => assign([], op, value)

/** An account: deletion wins over what had not seen it, fields keep what sites wrote unaware of each other. */
export function foldUser(draft: Draft, id: string, ops: readonly HistoryOp[]): Lost {
  const before = draft.get('users', id)
  const created = ops.find((op) => op.id === id)
  if (!created) {
    if (before) reclaimNames(draft, 'user', before, before, undefined)
    if (before) draft.delete('users', id)
    noteFields(draft, `user:${id}`, undefined)
    return new Map()
  }
  const deletions = ops.filter(({ kind }) => kind === 'user.deleted')
  const living = beforeEnd(deletions[0], ops)
  const row = living.reduce<UserRow>(change, { ...start(created), deleted: deletions.length > 0 })
  draft.put('users', id, row)
  noteFields(draft, `user:${id}`, row)
  const naming = namingOp(created, living, 'user.renamed')
  reclaimNames(draft, 'user', before, row, { created, naming })
  return lostTo(deletions[0], ops, created)
}

/** What is deleted keeps what its first deletion had seen. */
export function beforeEnd(deletion: HistoryOp | undefined, ops: readonly HistoryOp[]): readonly HistoryOp[] {
  return deletion ? ops.filter((op) => hasSeen(deletion, op.dot)) : ops
}

/** What changed something that was deleted, neither knowing of the other. */
export function lostTo(deletion: HistoryOp | undefined, ops: readonly HistoryOp[], created: HistoryOp): Lost {
  const lost: Lost = new Map()
  if (!deletion) return lost
  for (const op of ops) {
    if (op === created || op.kind === deletion.kind) continue
    if (hasSeen(deletion, op.dot) || hasSeen(op, deletion.dot)) continue
    lost.set(op.id, { reason: 'deleted', beatenBy: deletion.id })
  }
  return lost
}

function start(op: HistoryOp): UserRow {
  const body = bodyOf(op, 'user.created') as NonNullable<ReturnType<typeof created>>
  return {
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
    groups: {},
  }
}

const created = (op: HistoryOp) => bodyOf(op, 'user.created')

function change(row: UserRow, op: HistoryOp): UserRow {
  const profile = bodyOf(op, 'user.profile-set')
  if (profile) {
    const { email, realname, comment } = profile
    return {
      ...row,
      ...(email !== undefined && { email: assign(row.email, op, email) }),
      ...(realname !== undefined && { realname: assign(row.realname, op, realname) }),
      ...(comment !== undefined && { comment: assign(row.comment, op, comment) }),
    }
  }
  const renamed = bodyOf(op, 'user.renamed')
  if (renamed) return { ...row, name: renamed.name }
  const admin = bodyOf(op, 'user.admin-set')
  if (admin) return { ...row, admin: assign(row.admin, op, admin.admin) }
  const password = bodyOf(op, 'user.password-set')
  if (password) return withPassword(row, op, password)
  const recovered = bodyOf(op, 'cluster.recovered')
  if (recovered) return withPassword({ ...row, admin: assign(row.admin, op, true) }, op, recovered)
  const seen = bodyOf(op, 'user.groups-set')
  if (seen) {
    const { source, groups, expiresAt } = seen
    const said = new Map<string, Register<GroupsSeen>>(Object.entries(row.groups))
    said.set(source, assign(said.get(source) ?? [], op, { groups, expiresAt }))
    return { ...row, groups: Object.fromEntries(said) }
  }
  return row
}

/** The greatest epoch wins: an old secret never comes back. */
function withPassword(
  row: UserRow,
  { id }: HistoryOp,
  { passwordHash: hash, epoch }: { passwordHash: string; epoch: number },
): UserRow {
  const newer = epoch > row.password.epoch || (epoch === row.password.epoch && id > row.password.id)
  return newer ? { ...row, password: { hash, epoch, id } } : row
}
