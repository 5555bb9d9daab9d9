import { closeSync, openSync, writeSync } from 'node:fs'

export type Kind =
  | 'user.create'
  | 'user.delete'
  | 'admin.set'
  | 'member.grant'
  | 'member.role'
  | 'member.revoke'
  | 'project.create'
  | 'project.delete'
  | 'push'
  | 'tag.delete'
  | 'manifest.delete'
  | 'read.manifest'
  | 'read.tag'
  | 'read.blob'
  | 'read.project'
  | 'read.admin'
  | 'read.account'
  | 'list.members'
  | 'list.users'
  | 'other'

/** What was asked for, in terms the checkers can compare. */
export interface Operation {
  readonly kind: Kind
  /** The user who asks. */
  readonly actor: string
  /** The user it is about. */
  readonly user?: string
  readonly project?: string
  /** `<project>/<name>` */
  readonly repository?: string
  readonly tag?: string
  readonly digest?: string
  /** The one blob of a pushed manifest. */
  readonly blob?: string
  readonly admin?: boolean
  readonly role?: number
}

/**
 * - `ok`: answered, and done
 * - `fail`: refused, and certainly not done
 * - `unknown`: nobody can say whether it was done, or will be
 */
export type Outcome = 'ok' | 'fail' | 'unknown'
export type Phase = 'setup' | 'storm' | 'final'

/** What was seen in the answer. */
export interface Seen {
  readonly status?: number
  /** As the node named it. */
  readonly digest?: string
  /** What the bytes hash to. */
  readonly bytes?: string
  readonly names?: readonly string[]
  /** It came with a token, which a wrong clock may make too old or too young. */
  readonly bearer?: boolean
  readonly error?: string
}

/** One request from its start to its end, on the harness's monotonic clock. */
export interface Call extends Seen {
  readonly id: number
  readonly client: string
  readonly node: string
  readonly phase: Phase
  readonly op: Operation
  readonly start: number
  readonly end: number
  readonly outcome: Outcome
}

export interface FaultEvent {
  readonly at: number
  readonly fault: string
  readonly what: string
}

/** The record of a schedule: kept for the checkers, and written line by line as it happens. */
export class History {
  readonly calls: Call[] = []
  readonly faults: FaultEvent[] = []
  phase: Phase = 'setup'
  readonly #file: number
  #next = 0

  constructor(path: string) {
    this.#file = openSync(path, 'w')
  }

  /** Records a call around `ask`, which never rejects. */
  async call(
    client: string,
    node: string,
    op: Operation,
    ask: () => Promise<Seen & { readonly outcome: Outcome }>,
  ): Promise<Call> {
    const begun = { id: this.#next++, client, node, phase: this.phase, op, start: now() }
    this.#write({ t: 'invoke', ...begun })
    const seen = await ask()
    const call: Call = { ...begun, ...seen, end: now() }
    this.#write({ t: call.outcome, id: call.id, ...seen, end: call.end })
    this.calls.push(call)
    return call
  }

  fault(fault: string, what: string): void {
    const event = { at: now(), fault, what }
    this.faults.push(event)
    this.#write({ t: 'fault', ...event })
  }

  note(facts: object): void {
    this.#write({ t: 'note', at: now(), ...facts })
  }

  close(): void {
    closeSync(this.#file)
  }

  #write(line: object): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

function now(): number {
  return Math.round(performance.now() * 1000) / 1000
}
