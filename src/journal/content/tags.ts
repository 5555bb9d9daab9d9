import type { Readable } from '../authority/history.ts'
import { byDepthThenId, type Dot, hasSeen, type Op, parseFeedId, reaches } from '../op.ts'
import { assign, erase } from '../register.ts'
import type { ImmutabilityRule, Register, TagOp, TagRow } from '../rows.ts'

/**
 * A tag's row after one more op. Where its project has rules on tags the row keeps every op, for which of them
 * count is then a question about all of them: docs/decisions/0007, "Immutable tags".
 * @returns the row, and the ops of it that do not count
 */
export function withTagOp(
  tables: Readable,
  row: TagRow | undefined,
  op: Op,
  { projectId, tag, digest }: { projectId: string; tag: string; digest: string | null },
): { row: TagRow | undefined; refused: readonly string[]; counting: readonly string[] } {
  const rules = tables.get('projects', projectId)?.immutability ?? []
  const before = row?.values ?? []
  if (rules.length === 0) {
    if (digest === null && !row) return { row, refused: [], counting: [] }
    const values = digest === null ? erase(before, op) : assign(before, op, digest)
    return { row: { tag, values }, refused: [], counting: [] }
  }
  const known = row?.ops ?? before.map(asOp)
  const seesOne = known.some((one) => one.value !== null && hasSeen(op, one.dot))
  if (digest === null && !seesOne) return { row, refused: [], counting: [] }
  const ops = [...known, written(op, digest, known, rules)].sort(byDepthThenId)
  const bound = new Map(ops.map((one) => [one, bindingOn(one, rules)]))
  const refused = ops.filter((one) => (bound.get(one) ?? []).length > 0 && !stands(one, ops, bound))
  const counting = ops.filter((one) => !refused.includes(one))
  return {
    row: { tag, values: fold(counting), ops },
    refused: refused.map(({ id }) => id),
    counting: counting.map(({ id }) => id),
  }
}

function written(
  op: Op,
  value: string | null,
  known: readonly TagOp[],
  rules: readonly ImmutabilityRule[],
): TagOp {
  const { id, dot, depth, actor, time, author } = op
  const saw = known.filter((one) => hasSeen(op, one.dot)).map((one) => one.id)
  const sawRules = rules.filter((rule) => hasSeen(op, rule.dot)).map((rule) => rule.id)
  return { id, dot, depth, actor, time, author, value, saw, sawRules }
}

/** A value from before the project had rules. */
function asOp({ id, dot, depth, actor, time, value }: Register<string>[number]): TagOp {
  const { author } = parseFeedId(dot.feed)
  return { id, dot, depth, actor, time, author, value, saw: [], sawRules: [] }
}

/** Rules an op is bound by: what lies outside their frontier, unless it knew of a later one. */
function bindingOn(op: TagOp, rules: readonly ImmutabilityRule[]): readonly ImmutabilityRule[] {
  return rules.filter(
    (rule) =>
      rule.mode !== 'off' &&
      !isWithin(rule, op.dot) &&
      !rules.some((later) => later.replaces.includes(rule.id) && op.sawRules.includes(later.id)),
  )
}

function isWithin({ frontier }: ImmutabilityRule, dot: Dot): boolean {
  return reaches(frontier, dot)
}

function stands(
  op: TagOp,
  ops: readonly TagOp[],
  bound: ReadonlyMap<TagOp, readonly ImmutabilityRule[]>,
): boolean {
  if (!mayBeFirst(op, ops, bound)) return false
  return !ops.some(
    (other) =>
      (bound.get(other) ?? []).length > 0 && byDepthThenId(other, op) < 0 && mayBeFirst(other, ops, bound),
  )
}

function mayBeFirst(
  op: TagOp,
  ops: readonly TagOp[],
  bound: ReadonlyMap<TagOp, readonly ImmutabilityRule[]>,
): boolean {
  const rules = bound.get(op) ?? []
  if (op.value === null) return false
  if (rules.some(({ mode, home }) => mode === 'strict' && home !== op.author)) return false
  const base = ops.filter(
    (one) => (bound.get(one) ?? []).length === 0 && rules.some((rule) => isWithin(rule, one.dot)),
  )
  return fold(base).length === 0
}

/** A multi-value register of those ops, by what each had seen of the others. */
function fold(ops: readonly TagOp[]): Register<string> {
  return ops
    .filter((one) => one.value !== null && !ops.some((later) => later.saw.includes(one.id)))
    .sort((a, b) => byDepthThenId(b, a))
    .map(({ id, dot, depth, actor, time, value }) => ({
      id,
      dot,
      depth,
      actor,
      time,
      value: value as string,
    }))
}
