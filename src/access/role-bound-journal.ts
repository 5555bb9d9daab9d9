import { Fault, isFault } from '../errors.ts'
import type { Committed, Journal, TableChange, Tables } from '../journal/journal.ts'
import type { Frontier, Lane, NewOp } from '../journal/op.ts'
import { familyOf, tenantOf } from '../journal/op.ts'
import type { NodeRole } from '../journal/rows.ts'

type Inner = Pick<Journal, 'node' | 'cluster' | 'tables' | 'commit' | 'onChange' | 'frontier' | 'stateHash'>

/** Named in an answer: one that is reached is enough. */
const NODES_NAMED_MAX = 5

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

  /** @throws Fault NODE_ROLE_FORBIDS, which names nodes that take it on; NODE_SCOPE_FORBIDS */
  async commit(lane: Lane, plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]): Promise<Committed> {
    let forbidden: { readonly op: NewOp; readonly role: NodeRole } | undefined
    try {
      return await this.#inner.commit(lane, (tables) => {
        const ops = plan(tables)
        if (ops.length > 0) forbidden = this.#check(lane, ops, tables)
        if (forbidden) throw new Fault('NODE_ROLE_FORBIDS', SHORT[forbidden.role])
        return ops
      })
    } catch (error) {
      if (!forbidden || !isFault(error, 'NODE_ROLE_FORBIDS')) throw error
      const { op, role } = forbidden
      const nodes = await this.#takers(lane, op)
      const there =
        nodes.length > 0 ? `ask at ${nodes.join(' or ')}` : 'this node knows of no member that takes it on'
      throw new Fault('NODE_ROLE_FORBIDS', `${SHORT[role]}: ${there}`, { role, kind: op.kind, nodes }, error)
    }
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

  /** Members whose role takes it on, with where clients reach them. */
  async #takers(lane: Lane, op: NewOp): Promise<string[]> {
    const nodes: string[] = []
    const tenant = tenantOf(lane) ?? 'system'
    for await (const { row } of this.tables.list('nodes')) {
      const { name, url, state, role, scope } = row
      if (state !== 'member' || !takes(role, lane, op) || scope?.includes(tenant) === false) continue
      nodes.push(url === null ? `${name} (${role})` : `${name} (${role}, ${url})`)
      if (nodes.length === NODES_NAMED_MAX) break
    }
    return nodes
  }

  /** @returns what the node's role forbids */
  #check(
    lane: Lane,
    ops: readonly NewOp[],
    tables: Pick<Tables, 'get'>,
  ): { readonly op: NewOp; readonly role: NodeRole } | undefined {
    const { role = 'anchor', scope = null } = tables.get('nodes', this.node) ?? {}
    const forbidden = ops.find((op) => !takes(role, lane, op))
    if (forbidden) return { op: forbidden, role }
    const tenant = tenantOf(lane)
    if (scope !== null && tenant !== undefined && !scope.includes(tenant))
      throw new Fault('NODE_SCOPE_FORBIDS', `this node takes no changes for tenant ${tenant}`, { tenant })
    return undefined
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
