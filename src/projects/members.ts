import type { Acting } from '../access/principal.ts'
import { Fault } from '../errors.ts'
import { membershipOf, type Readable, userName } from '../journal/effective.ts'
import type { Journal } from '../journal/journal.ts'
import { op } from '../journal/kinds.ts'
import { drawNumbers } from '../journal/numbers.ts'
import { AUTHORITY } from '../journal/op.ts'
import type { RoleId } from '../journal/rows.ts'
import type { Random } from '../runtime/random.ts'
import { living } from './projects.ts'

/** Somebody with a role in a project. */
export interface Member {
  readonly number: number
  readonly role: RoleId
  readonly userId: string
  readonly userNumber: number
  readonly userName: string
}

/** Who belongs to a project, and as what. */
export class Members {
  readonly #journal: Journal
  readonly #random: Random

  constructor(parts: { journal: Journal; random: Random }) {
    this.#journal = parts.journal
    this.#random = parts.random
  }

  async *of(projectId: string): AsyncIterable<Member> {
    const { tables } = this.#journal
    for await (const { row } of tables.list('members', { prefix: `${projectId}/` })) {
      const member = memberOf(tables, projectId, row.userId)
      if (member) yield member
    }
  }

  async find(projectId: string, number: number): Promise<Member | undefined> {
    for await (const member of this.of(projectId)) if (member.number === number) return member
    return undefined
  }

  /** @throws Fault NOT_FOUND, CONFLICT when they have a role already */
  async add(projectId: string, userId: string, role: RoleId, by: Acting): Promise<Member> {
    const taken = new Set<number>()
    for await (const { number } of this.of(projectId)) taken.add(number)
    const number = drawNumbers(this.#random).find((one) => !taken.has(one))
    if (number === undefined) throw new Fault('CONFLICT', 'no free member number was drawn; try again')
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      living(tables, projectId)
      if (tables.get('users', userId)?.deleted !== false) {
        throw new Fault('NOT_FOUND', 'there is no such user')
      }
      if (membershipOf(tables, projectId, userId)) {
        throw new Fault('CONFLICT', 'the user is a member of the project already')
      }
      return [op('member.granted', { project: projectId, user: userId, role, number }, by.actor)]
    })
    return memberOf(this.#journal.tables, projectId, userId) as Member
  }

  /** @throws Fault NOT_FOUND */
  async setRole(projectId: string, member: Member, role: RoleId, by: Acting): Promise<void> {
    const { userId, number } = member
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      living(tables, projectId)
      if (!membershipOf(tables, projectId, userId)) throw gone()
      return [op('member.granted', { project: projectId, user: userId, role, number }, by.actor)]
    })
  }

  /** @throws Fault NOT_FOUND */
  async remove(projectId: string, member: Member, by: Acting): Promise<void> {
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      living(tables, projectId)
      if (!membershipOf(tables, projectId, member.userId)) throw gone()
      return [op('member.revoked', { project: projectId, user: member.userId }, by.actor)]
    })
  }
}

function memberOf(tables: Readable, projectId: string, userId: string): Member | undefined {
  const membership = membershipOf(tables, projectId, userId)
  const user = tables.get('users', userId)
  if (!membership || !user || user.deleted) return undefined
  return { ...membership, userId, userNumber: user.number, userName: userName(tables, user) }
}

function gone(): Fault {
  return new Fault('NOT_FOUND', 'there is no such member')
}
