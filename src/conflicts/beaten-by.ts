import { entitiesOf } from '../journal/authority/entities.ts'
import { reasonOf } from '../journal/authority/evictions.ts'
import { findIn } from '../journal/authority/history.ts'
import { entityOf } from '../journal/authority/rights.ts'
import type { Readable } from '../journal/effective.ts'
import { claimKey } from '../journal/names.ts'
import { claimingOp } from '../journal/register.ts'
import type { Conflict, Deed } from './conflict.ts'
import type { Loss } from './losses.ts'
import { deedOf, deedOfValue, opOf, type Said } from './names.ts'

/** Histories looked into for one op: a loss may rest on a loss that rests on one, and so on. */
const ENTITIES_MAX = 64

/** What an op gave way to. It stands in the history of something the op, or what it rests on, is about. */
export function beatenBy(tables: Readable, loss: Loss): Conflict['beatenBy'] {
  const { beatenBy: id, tag, fields, author, entity } = loss
  if (id === null) return null
  const value = [...(tag?.values ?? []), ...(fields[0]?.values ?? [])].find((one) => one.id === id)
  if (value) return deedOfValue(tables, value)
  const op = opOf(tables, loss)
  const seen = new Set<string>([...(entity === null ? [] : [entity]), `node:${author}`])
  if (op) for (const one of entitiesOf(op)) seen.add(one)
  addRights(seen, op)
  // A set goes on with what is added while it is walked.
  for (const one of seen) {
    const found = findIn(tables, one, id)
    if (found) return { ...deedOf(tables, found), ...whyOf(found) }
    if (seen.size >= ENTITIES_MAX) continue
    for (const grant of tables.get('history', one)?.filter(({ refused }) => refused?.beatenBy === id) ?? []) {
      addRights(seen, grant)
    }
  }
  return findHolder(tables, id)
}

/** Of an eviction, what was said with it. */
function whyOf(op: Said): { why?: string } {
  const why = reasonOf(op)
  return why === undefined ? {} : { why }
}

function addRights(seen: Set<string>, op: Pick<Said, 'needs'> | undefined): void {
  for (const { right } of op?.needs.flat() ?? []) seen.add(entityOf(right))
}

/** The holder of a name has it by the op that made it, or by its last renaming. */
function findHolder(tables: Readable, id: string): Deed | null {
  const user = tables.get('users', id)
  const name = user?.name ?? tables.get('projects', id)?.name ?? ''
  const [what, key] = user
    ? (['user', claimKey('user-name', name)] as const)
    : (['project', claimKey('project-name', name)] as const)
  const claim = tables.get('claims', key)?.find((one) => one.id === id)
  const op = findIn(tables, `${what}:${id}`, claim ? claimingOp(claim) : id)
  return op ? deedOf(tables, op) : null
}
