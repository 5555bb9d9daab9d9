import { isAdmin, membershipOf, type Readable } from '../../../src/journal/effective.ts'
import { type Dot, hasSeen, type Op } from '../../../src/journal/op.ts'

/** The tables of a node, and which entries they are made of. */
export interface Held extends Readable {
  has(dot: Dot): boolean
}

interface Marks {
  readonly given: Op[]
  readonly taken: Op[]
}

/**
 * I4 and I7 at one node: once a revocation is effective there, nobody has the right any more unless it was
 * given again by somebody who had seen the revocation. Worked out from the ops alone.
 */
export class Rights {
  /** `<project>/<user>` */
  readonly #members = new Map<string, Marks>()
  readonly #admins = new Map<string, Marks>()
  readonly #deleted = new Map<string, Op>()
  #touched = new Set<string>()

  apply(op: Op): void {
    const body = Object(op.body) as Record<string, unknown>
    const text = (field: string) => (typeof body[field] === 'string' ? body[field] : '?')
    const pair = `${text('project')}/${text('user')}`
    switch (op.kind) {
      case 'project.created':
        return this.#mark(this.#members, `${op.id}/${text('owner')}`, 'given', op)
      case 'member.granted':
        return this.#mark(this.#members, pair, 'given', op)
      case 'member.revoked':
        return this.#mark(this.#members, pair, 'taken', op)
      case 'user.created':
        return this.#mark(this.#admins, op.id, body['admin'] === true ? 'given' : 'taken', op)
      case 'user.admin-set':
        return this.#mark(this.#admins, text('user'), body['admin'] === true ? 'given' : 'taken', op)
      case 'cluster.recovered':
        return this.#mark(this.#admins, text('user'), 'given', op)
      case 'user.deleted':
        if (!this.#deleted.has(text('user'))) this.#deleted.set(text('user'), op)
        this.#touched.add(text('user'))
        return
      default:
    }
  }

  /** Whether it was ever told of an account. */
  get knowsAccounts(): boolean {
    return this.#admins.size > 0
  }

  /** What is wrong among the rights that were touched since it was last asked; all of them with `all`. */
  violation(tables: Held, all = false): string | undefined {
    const touched = all ? [...this.#members.keys(), ...this.#admins.keys()] : [...this.#touched]
    this.#touched = new Set()
    for (const key of touched) {
      const wrong = key.includes('/') ? this.#member(key, tables) : this.#admin(key, tables)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }

  #mark(marks: Map<string, Marks>, key: string, what: keyof Marks, op: Op): void {
    const found = marks.get(key) ?? { given: [], taken: [] }
    found[what].push(op)
    marks.set(key, found)
    this.#touched.add(key)
  }

  #member(key: string, tables: Held): string | undefined {
    const [project = '', user = ''] = key.split('/')
    const membership = membershipOf(tables, project, user)
    if (!membership) return undefined
    if (livingGrants(this.#members.get(key), tables) > 0) return undefined
    const marks = told(this.#members.get(key), tables)
    return `${user} still has role ${membership.role} in ${project} though it was revoked: ${marks}`
  }

  #admin(user: string, tables: Held): string | undefined {
    const row = tables.get('users', user)
    if (!row || !isAdmin(row)) return undefined
    const deletion = this.#deleted.get(user)
    if (deletion && isEffective(deletion, tables)) return `${user} is administrator though deleted`
    if (isRightful(this.#admins.get(user), tables)) return undefined
    return `${user} is still administrator though that was taken away: ${told(this.#admins.get(user), tables)}`
  }
}

/** A grant counts only if its author had seen every revocation. */
function livingGrants(marks: Marks | undefined, tables: Held): number {
  const taken = (marks?.taken ?? []).filter((op) => isEffective(op, tables))
  return (marks?.given ?? []).filter(
    (gift) => isEffective(gift, tables) && taken.every((loss) => hasSeen(gift, loss.dot)),
  ).length
}

/** Every taking was seen by somebody who gave it back. */
function isRightful(marks: Marks | undefined, tables: Held): boolean {
  if (!marks) return false
  const taken = marks.taken.filter((op) => isEffective(op, tables))
  const given = marks.given.filter((op) => isEffective(op, tables))
  return given.length > 0 && taken.every((loss) => given.some((gift) => hasSeen(gift, loss.dot)))
}

function told(marks: Marks | undefined, tables: Held): string {
  const one = (op: Op) =>
    `${op.id} ${op.kind} at ${op.dot.feed.slice(-6)}/${op.dot.seq} depth ${op.depth}${isEffective(op, tables) ? '' : ' (ineffective)'}`
  return `given by ${marks?.given.map(one).join(', ')}; taken by ${marks?.taken.map(one).join(', ')}`
}

function isEffective(op: Op, tables: Held): boolean {
  return tables.has(op.dot) && tables.get('ineffective', `authority/${op.id}`)?.outcome !== 'refused'
}
