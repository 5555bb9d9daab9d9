import { Fault } from '../errors.ts'
import type { Committed, Journal, TableChange, Tables } from '../journal/journal.ts'
import type { Frontier, Lane, NewOp } from '../journal/op.ts'
import { familyOf, tenantOf } from '../journal/op.ts'
import type { NodeRole } from '../journal/rows.ts'

type Inner = Pick<Journal, 'node' | 'cluster' | 'tables' | 'commit' | 'onChange' | 'frontier' | 'stateHash'>

/** What a role's node does not take on, for the person who asked it to. */
const SHORT: Readonly<Record<NodeRole, string>> = {
  anchor: '',
  replica: 'a replica takes decisions for users only, not for its own operator',
  edge: 'an edge takes no decisions, only pushes and pulls',
  readonly: 'a readonly node serves pulls and takes no changes',
}

/**
 * The journal as this node's doors may use it: what the node's role or tenants do not allow is refused in words,
 * before anything is written. The records' own rules would not let it count either; they are said by others.
 */
export class RoleBoundJournal implements Journal {
  readonly #inner: Inner

  constructor(inner: Inner) {
    this.#inner = inner
  }

  get node(): string {
    return this.#inner.node
  }

  get cluster(): string {
    return this.#inner.cluster
  }

  get tables(): Tables {
    return this.#inner.tables
  }

  /** @throws Fault NODE_ROLE_FORBIDS, NODE_SCOPE_FORBIDS */
  commit(lane: Lane, plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]): Promise<Committed> {
    return this.#inner.commit(lane, (tables) => {
      const ops = plan(tables)
      if (ops.length > 0) this.#check(lane, ops, tables)
      return ops
    })
  }

  onChange(listener: (changes: readonly TableChange[]) => void): () => void {
    return this.#inner.onChange(listener)
  }

  frontier(): Frontier {
    return this.#inner.frontier()
  }

  stateHash(): string {
    return this.#inner.stateHash()
  }

  #check(lane: Lane, ops: readonly NewOp[], tables: Pick<Tables, 'get'>): void {
    const { role = 'anchor', scope = null } = tables.get('nodes', this.node) ?? {}
    const forbidden = ops.find((op) => !takes(role, lane, op))
    if (forbidden)
      throw new Fault('NODE_ROLE_FORBIDS', `${SHORT[role]}: ask a node of another role`, {
        role,
        kind: forbidden.kind,
      })
    const tenant = tenantOf(lane)
    if (scope !== null && tenant !== undefined && !scope.includes(tenant))
      throw new Fault('NODE_SCOPE_FORBIDS', `this node takes no changes for tenant ${tenant}`, { tenant })
  }
}

/** What any node says of itself. */
const PRESENCE: ReadonlySet<string> = new Set(['node.announced', 'node.left'])

function takes(role: NodeRole, lane: Lane, { kind, actor }: NewOp): boolean {
  if (role === 'anchor' || PRESENCE.has(kind)) return true
  if (role === 'readonly') return false
  if (familyOf(lane) !== 'authority' || kind === 'quota.moved') return true
  return role === 'replica' && actor !== 'node'
}
