import { Fault, isFault } from '../../src/errors.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Member, Roster } from '../membership/roster.ts'
import type { NodeId } from '../network/network.ts'
import type { ErrorFacts, FromEngine, KnownMember } from './engine-protocol.ts'

/** The roster as the main thread tells it: between a change there and here lies one message. */
export class MirroredRoster implements Roster {
  readonly #known = new Map<NodeId, KnownMember>()
  readonly #listeners = new Set<() => void>()

  constructor(known: readonly KnownMember[]) {
    for (const one of known) this.#known.set(one.member.id, one)
  }

  change(changed: readonly KnownMember[], gone: readonly NodeId[]): void {
    for (const one of changed) this.#known.set(one.member.id, one)
    for (const id of gone) this.#known.delete(id)
    for (const listener of this.#listeners) listener()
  }

  get(node: NodeId): Member | undefined {
    return this.#known.get(node)?.member
  }

  isMember(node: NodeId): boolean {
    return this.#known.get(node)?.isMember ?? false
  }

  members(): Member[] {
    return [...this.#known.values()].map(({ member }) => member)
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** What is logged in the thread is said by the main thread's logger. */
export function mirroredLogger(post: (message: FromEngine) => void): Logger {
  const say = (level: 'debug' | 'info' | 'warn' | 'error') => (facts: object, message: string) => {
    const plain = Object.entries(facts).map(([name, value]) => [
      name,
      value instanceof Error ? { ...errorFacts(value), stack: value.stack } : value,
    ])
    post({ type: 'log', level, facts: Object.fromEntries(plain), message })
  }
  const logger: Logger = {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: () => logger,
  }
  return logger
}

export function errorFacts(error: unknown): ErrorFacts {
  const message = error instanceof Error ? error.message : String(error)
  return isFault(error)
    ? { code: error.code, message, facts: { ...error.facts } }
    : { code: undefined, message, facts: {} }
}

export function faultOf({ code, message, facts }: ErrorFacts): Error {
  return code === undefined ? new Error(message) : new Fault(code, message, { ...facts })
}
