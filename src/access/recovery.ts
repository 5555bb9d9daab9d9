import { Fault } from '../errors.ts'
import { isAdmin, userByName } from '../journal/effective.ts'
import { recoveryMessage } from '../journal/genesis.ts'
import type { Journal } from '../journal/journal.ts'
import { op } from '../journal/kinds.ts'
import { AUTHORITY } from '../journal/op.ts'
import { checkPassword } from './password-policy.ts'
import type { Passwords } from './passwords.ts'
import type { Acting } from './principal.ts'

/** What the recovery key is asked to sign. */
export interface Challenge {
  readonly cluster: string
  readonly user: string
  readonly passwordHash: string
  readonly epoch: number
}

/** What the key signs, worked out by whoever holds it: no node's word is taken for it. */
export function signedWords(challenge: Challenge): Uint8Array {
  return recoveryMessage(challenge)
}

/**
 * The way back in for whoever holds the cluster's recovery key. The node sees a signature, never the key; that
 * it is right is asked by the records' own rules, at this node before anything is written and at every other.
 */
export class Recovery {
  readonly #journal: Journal
  readonly #passwords: Passwords

  constructor(parts: { journal: Journal; passwords: Passwords }) {
    this.#journal = parts.journal
    this.#passwords = parts.passwords
  }

  /** @throws Fault NOT_FOUND where no account that lives has the name, BAD_REQUEST for the password */
  async challenge(username: string, password: string): Promise<Challenge> {
    checkPassword(password)
    const row = userByName(this.#journal.tables, username)
    if (!row) throw new Fault('NOT_FOUND', `there is no user ${username}: take one that exists`)
    const passwordHash = await this.#passwords.hash(password)
    return { cluster: this.#journal.cluster, user: row.id, passwordHash, epoch: row.password.epoch + 1 }
  }

  /**
   * Makes the account an administrator with that password, and ends what other administrators were signed in
   * with: their passwords stay, their epochs rise.
   * @throws Fault RECOVERY_REFUSED when the signature is not the recovery key's
   */
  async recover(
    { user, passwordHash, epoch }: Omit<Challenge, 'cluster'>,
    signature: Uint8Array,
    by: Acting,
  ) {
    const others: string[] = []
    for await (const { row } of this.#journal.tables.list('users'))
      if (row.id !== user && isAdmin(row)) others.push(row.id)
    try {
      await this.#journal.commit(AUTHORITY, (tables) => {
        by.permit(tables)
        return [op('cluster.recovered', { user, passwordHash, epoch, signature }, by.actor)]
      })
    } catch (error) {
      if (!(error instanceof Fault) || !['OP_REFUSED', 'OP_INVALID'].includes(error.code)) throw error
      const words =
        'the records do not take it: is it this cluster’s recovery key, and the account unchanged?'
      throw new Fault('RECOVERY_REFUSED', words, {}, error)
    }
    await this.#journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      return others.flatMap((id) => {
        const row = tables.get('users', id)
        if (!row || row.deleted) return []
        const password = { passwordHash: row.password.hash, epoch: row.password.epoch + 1 }
        return [op('user.password-set', { user: id, ...password }, by.actor)]
      })
    })
  }
}
