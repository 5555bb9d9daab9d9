import { LRUCache } from 'lru-cache'
import type { Digest } from '../../src/oci/digest.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { DISTRUST_MAX, DISTRUST_MS, SUSPECTS_MAX, SUSPICION_MS } from './limits.ts'

/**
 * Who gave wrong bytes for which digest. It is one blob of one member that is passed over, for a while: a
 * worn disk is repaired, and a fellow leecher was told the same lie. For other blobs the member is suspect: others are
 * asked first.
 */
export class Distrust {
  readonly #clock: Clock
  readonly #until = new LRUCache<string, number>({ max: DISTRUST_MAX })
  readonly #suspects = new LRUCache<string, number>({ max: SUSPECTS_MAX })

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param who a member, or an infohash that did not give the digest */
  add(digest: Digest, who: string): void {
    this.#until.set(`${digest} ${who}`, this.#clock.monotonic() + DISTRUST_MS)
    this.#suspects.set(who, this.#clock.monotonic() + SUSPICION_MS)
  }

  has(digest: Digest, who: string): boolean {
    return (this.#until.get(`${digest} ${who}`) ?? 0) > this.#clock.monotonic()
  }

  /** It gave wrong bytes lately, of whichever blob. */
  isSuspect(who: string): boolean {
    return (this.#suspects.get(who) ?? 0) > this.#clock.monotonic()
  }
}
