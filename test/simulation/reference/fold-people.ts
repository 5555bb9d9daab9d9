import { byDepthThenId, hasSeen } from '../../../src/journal/op.ts'
import type { Claim, GroupsSeen, Register, UserRow } from '../../../src/journal/rows.ts'
import { type Formed, ineffectiveRow, is } from './formed.ts'
import { register, type Written, write } from './registers.ts'
import type { ReferenceTables } from './tables.ts'
import { listIn } from './world.ts'

/** What changed an account or project, its first deletion (if any), and what came too late for it. */
export interface Life<T extends Formed> {
  readonly changes: readonly T[]
  readonly deletion: Formed | undefined
}

/** Splits what is about one account or project by its first deletion, and lists what that deletion beat. */
export function lifeOf<T extends Formed>(
  tables: ReferenceTables,
  entity: string,
  changes: readonly T[],
  deletions: readonly Formed[],
): Life<T> {
  const deletion = [...deletions].sort(byDepthThenId)[0]
  if (!deletion) return { changes, deletion }
  for (const op of changes) {
    if (!hasSeen(deletion, op.dot) && !hasSeen(op, deletion.dot)) {
      tables.ineffective(op, ineffectiveRow(op, 'lost', 'deleted', entity, deletion.id))
    }
  }
  return { changes: changes.filter((op) => hasSeen(deletion, op.dot)), deletion }
}

/** Claims to names and numbers, made by all that live; lists who lost a name. */
export class Claims {
  readonly #claims = new Map<string, { claim: Claim; op: Formed }[]>()

  /** @param op what claims it for that user or project */
  add(key: string, id: string, op: Formed): void {
    const claim = op.id === id ? { id, depth: op.depth } : { id, depth: op.depth, op: op.id }
    listIn(this.#claims, key, { claim, op })
  }

  settle(tables: ReferenceTables): void {
    for (const [key, claimants] of this.#claims) {
      const inOrder = claimants.sort((a, b) => byDepthThenId(a.op, b.op))
      tables.put(
        'claims',
        key,
        inOrder.map(({ claim }) => claim),
      )
      if (!/^(?:user|project)-name:/.test(key)) continue
      const holder = (inOrder[0] as (typeof inOrder)[number]).claim.id
      for (const { claim, op } of inOrder.slice(1)) {
        const entity = `${op.kind.slice(0, op.kind.indexOf('.'))}:${claim.id}`
        tables.ineffective(op, ineffectiveRow(op, 'lost', 'name', entity, holder))
      }
    }
  }
}

/** One name for what people cannot tell apart. */
export function folded(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

type UserChange = Formed<
  | 'cluster.recovered'
  | 'user.profile-set'
  | 'user.renamed'
  | 'user.admin-set'
  | 'user.password-set'
  | 'user.groups-set'
>

/** The last by (depth, id). */
export function last<T extends Formed>(ops: readonly T[]): T | undefined {
  return [...ops].sort(byDepthThenId).at(-1)
}

export function foldUsers(ops: readonly Formed[], tables: ReferenceTables, claims: Claims): void {
  const changes = new Map<string, UserChange[]>()
  const deletions = new Map<string, Formed[]>()
  for (const op of ops) {
    if (is(op, 'user.deleted')) listIn(deletions, op.body.user, op)
    if (
      is(
        op,
        'cluster.recovered',
        'user.profile-set',
        'user.renamed',
        'user.admin-set',
        'user.password-set',
        'user.groups-set',
      )
    ) {
      listIn(changes, op.body.user, op)
    }
  }
  for (const created of ops) {
    if (!is(created, 'user.created')) continue
    const life = lifeOf(
      tables,
      `user:${created.id}`,
      changes.get(created.id) ?? [],
      deletions.get(created.id) ?? [],
    )
    const naming = last(life.changes.filter((op) => is(op, 'user.renamed'))) ?? created
    tables.put('users', created.id, { ...userRow(created, life), name: naming.body.name })
    if (life.deletion) continue
    claims.add(`user-name:${folded(naming.body.name)}`, created.id, naming)
    claims.add(`user-number:${created.body.number}`, created.id, created)
  }
}

function userRow(created: Formed<'user.created'>, { changes, deletion }: Life<UserChange>): UserRow {
  const { body } = created
  const profile = (field: 'email' | 'realname' | 'comment'): Register<string> =>
    register([
      write(created, body[field]),
      ...changes.flatMap((op) => {
        const value = is(op, 'user.profile-set') ? op.body[field] : undefined
        return value === undefined ? [] : [write(op, value)]
      }),
    ])
  const admin = changes.flatMap((op) => {
    if (is(op, 'user.admin-set')) return [write(op, op.body.admin)]
    return is(op, 'cluster.recovered') ? [write(op, true)] : []
  })
  const groups = new Map<string, Written<GroupsSeen>[]>()
  let password = { hash: body.passwordHash, epoch: 1, id: created.id }
  for (const op of changes) {
    if (is(op, 'user.groups-set')) {
      const { source, groups: names, expiresAt } = op.body
      listIn(groups, source, write(op, { groups: names, expiresAt }))
    }
    if (!is(op, 'user.password-set', 'cluster.recovered')) continue
    const { epoch, passwordHash: hash } = op.body
    if (epoch > password.epoch || (epoch === password.epoch && op.id > password.id)) {
      password = { hash, epoch, id: op.id }
    }
  }
  return {
    id: created.id,
    number: body.number,
    name: body.name,
    createdAt: created.time,
    deleted: deletion !== undefined,
    email: profile('email'),
    realname: profile('realname'),
    comment: profile('comment'),
    admin: register([write(created, body.admin), ...admin]),
    password,
    groups: Object.fromEntries([...groups].map(([source, writes]) => [source, register(writes)])),
  }
}
