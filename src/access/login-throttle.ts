import { isIPv6 } from 'node:net'
import { LRUCache } from 'lru-cache'
import { Fault } from '../errors.ts'
import { foldName } from '../journal/names.ts'
import type { Clock } from '../runtime/clock.ts'
import {
  LOGIN_BLOCK_FIRST_MS,
  LOGIN_BLOCK_MAX_MS,
  LOGIN_FAILURES_FREE,
  LOGIN_FORGET_MS,
  LOGIN_SOURCES_MAX,
} from './limits.ts'

interface Attempts {
  readonly failures: number
  /** On the monotonic clock. */
  readonly blockedUntil: number
}

/**
 * Slows down guessing, per user name and source: one address can't lock the owner out of another. Kept in
 * this node's memory alone, bounded. Names that exist and names that don't are treated alike.
 */
export class LoginThrottle {
  readonly #clock: Clock
  readonly #attempts: LRUCache<string, Attempts>

  constructor(parts: { clock: Clock; sourcesMax?: number }) {
    this.#clock = parts.clock
    this.#attempts = new LRUCache({
      max: parts.sourcesMax ?? LOGIN_SOURCES_MAX,
      ttl: LOGIN_FORGET_MS,
      // Asks the clock every time, instead of a timer of its own.
      ttlResolution: 0,
      perf: { now: () => parts.clock.monotonic() },
    })
  }

  /**
   * Counts an attempt as failed before it is made, so that a hundred at once are a hundred; whoever turns out
   * to be right calls `succeeded`.
   * @throws Fault TOO_MANY_REQUESTS with facts.retryAfterSeconds while the pair is blocked
   */
  attempt(name: string, source: string | undefined): void {
    const key = keyOf(name, source)
    const now = this.#clock.monotonic()
    const { failures, blockedUntil } = this.#attempts.get(key) ?? { failures: 0, blockedUntil: 0 }
    if (blockedUntil > now) {
      throw new Fault('TOO_MANY_REQUESTS', 'too many wrong passwords; wait before the next attempt', {
        retryAfterSeconds: Math.ceil((blockedUntil - now) / 1000),
      })
    }
    const over = failures + 1 - LOGIN_FAILURES_FREE
    const wait = over > 0 ? Math.min(LOGIN_BLOCK_FIRST_MS * 2 ** (over - 1), LOGIN_BLOCK_MAX_MS) : 0
    this.#attempts.set(key, { failures: failures + 1, blockedUntil: wait > 0 ? now + wait : 0 })
  }

  succeeded(name: string, source: string | undefined): void {
    this.#attempts.delete(keyOf(name, source))
  }
}

function keyOf(name: string, source: string | undefined): string {
  return `${foldName(name).slice(0, 255)}\n${sourceOf(source)}`
}

/** Whoever holds one IPv6 address holds its whole /64. */
export function sourceOf(address: string | undefined): string {
  if (address === undefined) return 'unknown'
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped?.[1]) return mapped[1]
  const plain = address.split('%')[0] as string
  if (!isIPv6(plain)) return address.slice(0, 64)
  const [head = '', tail = ''] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const zeros = plain.includes('::')
    ? Array.from({ length: 8 - groups.length - after.length }, () => '0')
    : []
  return [...groups, ...zeros, ...after]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
