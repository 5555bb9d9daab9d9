import { byDepthThenId, hasSeen, reaches } from '../../../src/journal/op.ts'
import type { ImmutabilityRule } from '../../../src/journal/rows.ts'
import { type Formed, ineffectiveRow, is } from './formed.ts'
import { erasure, register, write } from './registers.ts'
import type { ReferenceTables } from './tables.ts'

type TagOp = Formed<'tag.moved' | 'tag.deleted'>

/** Of one tag's ops those its project's rules let count; the others are listed. */
export function countedTagOps(about: readonly TagOp[], tables: ReferenceTables): readonly TagOp[] {
  const project = (about[0] as TagOp).body.projectId
  const rules = tables.get('projects', project)?.immutability ?? []
  const binding = new Map(about.map((op) => [op, rules.filter((rule) => binds(rule, op, rules))]))
  const unbound = about.filter((op) => binding.get(op)?.length === 0)
  const bound = about.filter((op) => binding.get(op)?.length !== 0)
  const first = bound
    .filter((op) => is(op, 'tag.moved'))
    .filter((op) => mayBeSet(op, binding.get(op) ?? [], unbound))
    .sort(byDepthThenId)[0]
  for (const op of bound) {
    if (op !== first) tables.ineffective(op, ineffectiveRow(op, 'refused', 'immutable', null, null))
  }
  return first ? [...unbound, first] : unbound
}

function binds(rule: ImmutabilityRule, op: TagOp, rules: readonly ImmutabilityRule[]): boolean {
  if (rule.mode === 'off' || reaches(rule.frontier, op.dot)) return false
  return !rules.some((later) => later.replaces.includes(rule.id) && hasSeen(op, later.dot))
}

/** The home node allows it, and the tag meant nothing when the rule was made. */
function mayBeSet(op: TagOp, rules: readonly ImmutabilityRule[], unbound: readonly TagOp[]): boolean {
  if (rules.some((rule) => rule.mode === 'strict' && rule.home !== op.author)) return false
  const within = unbound.filter((one) => rules.some((rule) => reaches(rule.frontier, one.dot)))
  const values = register(
    within.map((one) => (is(one, 'tag.moved') ? write(one, one.body.digest) : erasure(one))),
  )
  return values.length === 0
}
