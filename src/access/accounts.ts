import { Fault } from '../errors.ts'
import {
  userName as effectiveName,
  isAdmin,
  type Readable,
  userByName,
  userByNumber,
} from '../journal/effective.ts'
import type { Journal } from '../journal/journal.ts'
import { op } from '../journal/kinds.ts'
import { claimKey } from '../journal/names.ts'
import { drawNumbers } from '../journal/numbers.ts'
import { AUTHORITY } from '../journal/op.ts'
import { winner } from '../journal/register.ts'
import type { UserRow } from '../journal/rows.ts'
import type { Random } from '../runtime/random.ts'
import { checkPassword } from './password-policy.ts'
import type { Passwords } from './passwords.ts'
import type { Acting } from './principal.ts'
import { checkUserName } from './user-name.ts'

/** An account as anybody may be shown it: no hash, not even by accident. */
export interface Account {
  readonly id: string
  readonly number: number
  readonly name: string
  readonly email: string
  readonly realname: string
  readonly comment: string
  readonly admin: boolean
  readonly createdAt: number
  readonly updatedAt: number
}

export interface Profile {
  readonly email?: string | undefined
  readonly realname?: string | undefined
  readonly comment?: string | undefined
}

export interface NewAccount extends Profile {
  readonly name: string
  readonly password: string
  readonly admin?: boolean | undefined
  /** Only the first administrator has one given: 1, as in Harbor. */
  readonly number?: number
}

/** The people of the cluster. Every change is one commit, with its conditions checked in that commit's turn. */
export class Accounts {
  readonly #journal: Journal
  readonly #passwords: Passwords
  readonly #random: Random

  constructor(parts: { journal: Journal; passwords: Passwords; random: Random }) {
    this.#journal = parts.journal
    this.#passwords = parts.passwords
    this.#random = parts.random
  }

  byId(id: string): Account | undefined {
    const row = this.#journal.tables.get('users', id)
    return row && !row.deleted ? this.#account(row) : undefined
  }

  byNumber(number: number): Account | undefined {
    const row = userByNumber(this.#journal.tables, number)
    return row && this.#account(row)
  }

  /** As at the login prompt: any case, and `name~xxxx` for one that lost its name to another site's. */
  byName(name: string): Account | undefined {
    const row = userByName(this.#journal.tables, name)
    return row && this.#account(row)
  }

  async *all(): AsyncIterable<Account> {
    for await (const { row } of this.#journal.tables.list('users')) {
      if (!row.deleted) yield this.#account(row)
    }
  }

  /** @throws Fault BAD_REQUEST, CONFLICT when the name is taken, TOO_MANY_REQUESTS */
  async create(account: NewAccount, by: Acting): Promise<Account> {
    const name = checkUserName(account.name)
    checkPassword(account.password)
    // Asked before the hash as well: a stranger's request is not worth one.
    by.permit(this.#journal.tables)
    if (isTaken(this.#journal.tables, name)) throw taken(name)
    const passwordHash = await this.#passwords.hash(account.password)
    const { email = '', realname = '', comment = '', admin = false } = account
    const numbers = account.number === undefined ? drawNumbers(this.#random) : [account.number]
    const { ids } = await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      if (isTaken(tables, name)) throw taken(name)
      const number = numbers.find((one) => !tables.get('claims', claimKey('user-number', one)))
      if (number === undefined) throw new Fault('CONFLICT', 'no free user number was drawn; try again')
      const facts = { name, number, email, realname, comment, admin, passwordHash }
      return [op('user.created', facts, by.actor)]
    })
    return this.#account(this.#journal.tables.get('users', ids[0] as string) as UserRow)
  }

  /** @throws Fault NOT_FOUND */
  async setProfile(id: string, { email, realname, comment }: Profile, by: Acting): Promise<void> {
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      living(tables, id)
      const profile = {
        ...(email !== undefined && { email }),
        ...(realname !== undefined && { realname }),
        ...(comment !== undefined && { comment }),
      }
      return [op('user.profile-set', { user: id, ...profile }, by.actor)]
    })
  }

  /**
   * Another name for an account that lost its own to another site's.
   * @throws Fault NOT_FOUND, BAD_REQUEST, CONFLICT when the name is taken, PRECONDITION for one that holds its name
   */
  async rename(id: string, name: string, by: Acting): Promise<void> {
    checkUserName(name)
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      const row = living(tables, id)
      if (tables.get('claims', claimKey('user-name', row.name))?.[0]?.id === id) {
        throw new Fault('PRECONDITION', 'the account holds its name, and others know it by that')
      }
      if (isTaken(tables, name)) throw taken(name)
      return [op('user.renamed', { user: id, name }, by.actor)]
    })
  }

  /**
   * Sets a password and ends what was signed in with the old one: tokens carry the epoch they were made in.
   * @param expected the password (by the op that set it) the old one was checked against
   * @throws Fault NOT_FOUND, BAD_REQUEST, CONFLICT when it has been changed in between, TOO_MANY_REQUESTS
   */
  async setPassword(id: string, password: string, by: Acting, expected?: string): Promise<void> {
    checkPassword(password)
    by.permit(this.#journal.tables)
    const before = living(this.#journal.tables, id)
    if (await this.#passwords.verify(before.password.hash, password)) {
      throw new Fault('BAD_REQUEST', 'the new password is the old one')
    }
    const passwordHash = await this.#passwords.hash(password)
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      const row = living(tables, id)
      if (expected !== undefined && row.password.id !== expected) {
        throw new Fault('CONFLICT', 'the password has been changed meanwhile')
      }
      return [op('user.password-set', { user: id, passwordHash, epoch: row.password.epoch + 1 }, by.actor)]
    })
  }

  /** @throws Fault NOT_FOUND, FORBIDDEN for the last administrator */
  async setAdmin(id: string, admin: boolean, by: Acting): Promise<void> {
    const others = admin ? [] : await this.#otherAdmins(id)
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      const row = living(tables, id)
      // Taking it is always put on record: a grant this node has not heard of would win against silence.
      if (admin && isAdmin(row)) return []
      if (!admin) keepOneAdmin(tables, row, others)
      return [op('user.admin-set', { user: id, admin }, by.actor)]
    })
  }

  /** @throws Fault NOT_FOUND, FORBIDDEN for oneself and for the last administrator */
  async delete(id: string, by: Acting): Promise<void> {
    const others = await this.#otherAdmins(id)
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      const row = living(tables, id)
      if (by.actor === id) throw new Fault('FORBIDDEN', 'nobody deletes their own account')
      keepOneAdmin(tables, row, others)
      return [op('user.deleted', { user: id }, by.actor)]
    })
  }

  /** Who else is administrator; the commit's turn looks at each of them again. */
  async #otherAdmins(id: string): Promise<readonly string[]> {
    const others: string[] = []
    for await (const { row } of this.#journal.tables.list('users')) {
      if (row.id !== id && isAdmin(row)) others.push(row.id)
    }
    return others
  }

  #account(row: UserRow): Account {
    const registers = [row.email, row.realname, row.comment, row.admin]
    return {
      id: row.id,
      number: row.number,
      name: effectiveName(this.#journal.tables, row),
      email: winner(row.email) ?? '',
      realname: winner(row.realname) ?? '',
      comment: winner(row.comment) ?? '',
      admin: isAdmin(row),
      createdAt: row.createdAt,
      updatedAt: Math.max(row.createdAt, ...registers.flat().map((one) => one.time)),
    }
  }
}

function isTaken(tables: Readable, name: string): boolean {
  return tables.get('claims', claimKey('user-name', name)) !== undefined
}

function taken(name: string): Fault {
  return new Fault('CONFLICT', `the user name ${name} is taken`, { name })
}

function living(tables: Readable, id: string): UserRow {
  const row = tables.get('users', id)
  if (!row || row.deleted) throw new Fault('NOT_FOUND', 'there is no such user')
  return row
}

function keepOneAdmin(tables: Readable, row: UserRow, others: readonly string[]): void {
  if (!isAdmin(row)) return
  const another = others.some((id) => {
    const other = tables.get('users', id)
    return other !== undefined && isAdmin(other)
  })
  if (!another) throw new Fault('FORBIDDEN', 'this is the last administrator; appoint another one first')
}
