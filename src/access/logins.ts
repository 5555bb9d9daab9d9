import { createHmac, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type Readable, userByName } from '../journal/effective.ts'
import { foldName } from '../journal/names.ts'
import type { UserRow } from '../journal/rows.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import { LOGIN_REMEMBERED_MAX, LOGIN_REMEMBERED_MS } from './limits.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type { Passwords } from './passwords.ts'

export interface Credentials {
  readonly name: string
  readonly password: string
}

interface Remembered {
  /** Id of the op that set the password: another one, and what is remembered counts no more. */
  readonly passwordId: string
  readonly mac: Buffer
}

/**
 * Whether a name and a password belong together. A right answer is remembered for a while as a hash under a
 * key of this process, since clients send their password with every request; a wrong one never is.
 */
export class Logins {
  readonly #tables: Readable
  readonly #passwords: Passwords
  readonly #throttle: LoginThrottle
  readonly #key: Uint8Array
  readonly #remembered: LRUCache<string, Remembered>
  readonly #underway = new Map<string, Promise<UserRow | undefined>>()

  constructor(parts: {
    tables: Readable
    passwords: Passwords
    throttle: LoginThrottle
    clock: Clock
    random: Random
  }) {
    this.#tables = parts.tables
    this.#passwords = parts.passwords
    this.#throttle = parts.throttle
    this.#key = parts.random.bytes(32)
    this.#remembered = new LRUCache({
      max: LOGIN_REMEMBERED_MAX,
      ttl: LOGIN_REMEMBERED_MS,
      // Asks the clock every time, instead of a timer of its own.
      ttlResolution: 0,
      perf: { now: () => parts.clock.monotonic() },
    })
  }

  /**
   * The account, where the password is its own; undefined for a wrong one and for nobody's name alike.
   * @param source the client's address, for counting failures
   * @throws Fault TOO_MANY_REQUESTS
   */
  async check({ name, password }: Credentials, source?: string): Promise<UserRow | undefined> {
    const row = userByName(this.#tables, name)
    const mac = createHmac('sha256', this.#key)
      .update(`${foldName(name)}\n${password}`)
      .digest()
    if (row && this.#knows(row, mac)) return row
    // One guess is one guess, however many connections repeat it at the same time.
    const attempt = mac.toString('base64')
    const running = this.#underway.get(attempt)
    if (running) return running
    this.#throttle.attempt(name, source)
    const check = this.#verify(row, { name, password }, mac, source).finally(() => {
      this.#underway.delete(attempt)
    })
    this.#underway.set(attempt, check)
    return check
  }

  #knows(row: UserRow, mac: Buffer): boolean {
    const known = this.#remembered.get(row.id)
    return known !== undefined && known.passwordId === row.password.id && timingSafeEqual(known.mac, mac)
  }

  async #verify(
    row: UserRow | undefined,
    { name, password }: Credentials,
    mac: Buffer,
    source: string | undefined,
  ): Promise<UserRow | undefined> {
    const right = await this.#passwords.verify(row?.password.hash, password)
    // The row as it stands after the wait: the password may just have been changed, the user deleted.
    const now = row && this.#tables.get('users', row.id)
    if (!right || !row || !now || now.deleted || now.password.id !== row.password.id) return undefined
    this.#throttle.succeeded(name, source)
    this.#remembered.set(row.id, { passwordId: row.password.id, mac })
    return now
  }
}
