import { Fault, isFault } from '../../src/errors.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { IncomingBlob } from '../../src/registry/blob-source.ts'
import type { ByteRange } from '../../src/registry/blob-store.ts'
import type { Assembly } from './assembly.ts'
import { Change } from './waiting.ts'

/** The bytes given so far were a lie; others may do better. */
export const LIED = 'the bytes of a member did not give the digest'

/** What those who wait for one fetch see of it. The fetch alone changes it. */
export class Incoming {
  /** Resolves when a holder is found, or nobody is. */
  readonly found: Promise<IncomingBlob | undefined>
  readonly #digest: Digest
  readonly #found = Promise.withResolvers<IncomingBlob | undefined>()
  readonly #committed = Promise.withResolvers<void>()
  readonly #change = new Change()
  #assembly: Assembly | undefined
  #failure: Fault | undefined
  #over = false

  constructor(digest: Digest) {
    this.#digest = digest
    this.found = this.#found.promise
    // Who asked may have left; the failure is also in the log.
    this.found.catch(() => {})
    this.#committed.promise.catch(() => {})
  }

  /** Whoever comes now has to begin another. */
  get over(): boolean {
    return this.#over
  }

  get size(): number | undefined {
    return this.#assembly?.size
  }

  nobody(): void {
    this.#over = true
    this.#found.resolve(undefined)
  }

  /** An attempt begins; readers without a byte of the one before go over to it. */
  begin(assembly: Assembly): void {
    this.#assembly = assembly
    this.#change.announce()
    const { size } = assembly
    this.#found.resolve({
      size,
      stream: (range, signal) => this.#stream(size, range, signal),
      committed: this.#committed.promise,
    })
  }

  /** The members of this attempt have lied, and another begins. */
  async lied(assembly: Assembly): Promise<void> {
    await assembly.fail(new Fault('BLOB_FETCH_FAILED', LIED, { digest: this.#digest, retried: true }), {
      leave: false,
    })
  }

  commit(): void {
    this.#over = true
    this.#committed.resolve()
  }

  async fail(fault: Fault): Promise<void> {
    // A full disk needs the room; whatever else it was, the next fetch need not begin at nothing.
    await this.#assembly?.fail(fault, { leave: !isFault(fault, 'STORAGE_FULL') })
    this.#failure = fault
    this.#over = true
    this.#found.reject(fault)
    this.#committed.reject(fault)
    this.#change.announce()
  }

  /** Who got bytes of a lie must be told; who got none yet goes on with the next attempt. */
  async *#stream(size: number, range?: ByteRange, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const wanted = { first: range?.first ?? 0, last: Math.min(range?.last ?? size - 1, size - 1) }
    let given = false
    let ended: Assembly | undefined
    for (;;) {
      const assembly = await this.#assemblyAfter(ended, signal)
      try {
        if (assembly.size !== size) throw new Fault('BLOB_FETCH_FAILED', LIED, { digest: this.#digest })
        for await (const bytes of assembly.stream(wanted, signal)) {
          given = true
          yield bytes
        }
        return
      } catch (error) {
        if (given || signal?.aborted || !isFault(error) || !error.facts['retried']) throw error
        ended = assembly
      }
    }
  }

  async #assemblyAfter(ended: Assembly | undefined, signal?: AbortSignal): Promise<Assembly> {
    while (!this.#assembly || this.#assembly === ended) {
      if (this.#failure) throw this.#failure
      await this.#change.next(signal)
    }
    return this.#assembly
  }
}
