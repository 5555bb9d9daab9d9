/**
 * An error a caller can act on: a code from its room's own catalogue, with the facts of this case.
 * The wire status is decided once, at the door (`http`, `cli`), from the code alone.
 */
export class Fault<Code extends string = string> extends Error {
  readonly code: Code
  readonly facts: Readonly<Record<string, unknown>>

  /**
   * @param code one of the throwing room's codes
   * @param message a sentence for a person: what is wrong, and what to do next where that is known
   * @param facts what the door may show as detail; never a secret
   */
  constructor(code: Code, message: string, facts: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'Fault'
    this.code = code
    this.facts = facts
  }
}

/** Whether `error` is a Fault carrying one of `codes` (any Fault where none is named). */
export function isFault<Code extends string>(error: unknown, ...codes: Code[]): error is Fault<Code> {
  return error instanceof Fault && (codes.length === 0 || codes.includes(error.code as Code))
}

/** Whether this node's own storage failed (STORE_DAMAGED, STORAGE_FULL, ...): never the doing of who sent or asked. */
export function isStorageFault(error: unknown): error is Fault {
  return error instanceof Fault && error.code.startsWith('STOR')
}
