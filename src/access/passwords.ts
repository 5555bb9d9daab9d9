import { hash, verify } from '@node-rs/argon2'
import { Fault } from '../errors.ts'
import type { Random } from '../runtime/random.ts'
import {
  PASSWORD_CHARACTERS_MAX,
  PASSWORD_HASH_COST,
  PASSWORD_HASHES_CONCURRENT_MAX,
  PASSWORD_HASHES_WAITING_MAX,
} from './limits.ts'
import { Turnstile } from './turnstile.ts'

/** argon2id, so many at a time: a flood of log-ins costs the log-ins, not the pulls. */
export class Passwords {
  readonly #random: Random
  readonly #turnstile: Turnstile
  readonly #decoy: string

  constructor(parts: { random: Random; concurrent?: number; waiting?: number }) {
    this.#random = parts.random
    this.#turnstile = new Turnstile({
      inside: parts.concurrent ?? PASSWORD_HASHES_CONCURRENT_MAX,
      waiting: parts.waiting ?? PASSWORD_HASHES_WAITING_MAX,
    })
    this.#decoy = decoy(parts.random)
  }

  /** @throws Fault TOO_MANY_REQUESTS */
  hash(password: string, signal?: AbortSignal): Promise<string> {
    const salt = this.#random.bytes(16)
    return this.#turnstile.pass(() => hash(password, { ...PASSWORD_HASH_COST, salt }), signal)
  }

  /**
   * @param stored undefined for a user there is not: the answer is no, after the same work
   * @throws Fault TOO_MANY_REQUESTS
   */
  async verify(stored: string | undefined, password: string, signal?: AbortSignal): Promise<boolean> {
    // Nobody has a longer one; cut rather than refused, so that its length costs and tells nothing.
    const given = password.slice(0, PASSWORD_CHARACTERS_MAX + 1)
    try {
      const right = await this.#turnstile.pass(() => verify(stored ?? this.#decoy, given), signal)
      return right && stored !== undefined
    } catch (error) {
      if (error instanceof Fault || signal?.aborted) throw error
      throw new Fault('PASSWORD_HASH_UNREADABLE', 'a stored password hash cannot be read', {}, error)
    }
  }
}

/** A hash of nothing anybody knows, with the cost of a real one. */
function decoy(random: Random): string {
  const { memoryCost, timeCost, parallelism, outputLen } = PASSWORD_HASH_COST
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64').replaceAll('=', '')
  const cost = `m=${memoryCost},t=${timeCost},p=${parallelism}`
  return `$argon2id$v=19$${cost}$${base64(random.bytes(16))}$${base64(random.bytes(outputLen))}`
}
