import { clusterIdOf, readGenesis } from '../../genesis.ts'
import type { HistoryOp } from '../../rows.ts'
import type { Draft } from '../../table-store.ts'
import { bodyOf } from '../bodies.ts'
import { historyOf, note } from '../history.ts'
import { type Fold, type Lost, NOTHING_LOST } from './fold.ts'
import { foldLink } from './links.ts'
import { foldMember } from './members.ts'
import { foldInvite, foldNode } from './nodes.ts'
import { foldProject } from './projects.ts'
import { foldQuota } from './quotas.ts'
import { foldUser } from './users.ts'

const folds: Readonly<Record<string, Fold>> = {
  cluster: foldCluster,
  node: foldNode,
  invite: foldInvite,
  user: foldUser,
  project: foldProject,
  member: foldMember,
  quota: foldQuota,
  link: foldLink,
  network: foldNetworkKey,
  snapshot: foldSnapshot,
}

/**
 * Ops that are new in a history, or count no more, or again. `unlisted`: a row that lists it, if there is one, was made
 * in the same draft.
 */
export type Changed = ReadonlyMap<string, 'listed' | 'unlisted'>

/**
 * Makes the rows of an entity anew from its history, and lists what does not count in it.
 * @param changed ops that are new there, or count no more, or again
 * @param lists whether the op is listed with this entity: it is with its first only
 */
export function refold(
  draft: Draft,
  entity: string,
  changed: Changed,
  lists: (op: HistoryOp) => boolean,
): void {
  const at = entity.indexOf(':')
  const [what, id] = at < 0 ? [entity, entity] : [entity.slice(0, at), entity.slice(at + 1)]
  const fold = folds[what]
  if (!fold) return
  const history = historyOf(draft, entity)
  const isOverridden = history.some(overrides)
  const told = isOverridden ? history : history.filter((op) => changed.has(op.id))
  const listed = told.filter(lists)
  const isUnlisted = (op: HistoryOp) =>
    !isOverridden && changed.get(op.id) === 'unlisted' && !NAMING.has(op.kind)
  // Before the fold: whoever lost a name is listed there, as the claims say.
  for (const op of listed) {
    if (op.refused === null && !isUnlisted(op) && (changed.has(op.id) || !isClaimant(op)))
      list(draft, entity, op, undefined)
  }
  const lost = fold(
    draft,
    id,
    history.filter(({ refused }) => refused === null),
  )
  for (const op of listed) {
    if (op.refused !== null || lost.has(op.id)) list(draft, entity, op, lost, isUnlisted(op))
  }
}

function isClaimant({ kind }: HistoryOp): boolean {
  return kind === 'user.created' || kind === 'project.created'
}

/** These are listed as well by what becomes of a name. */
const NAMING = new Set(['user.created', 'user.renamed', 'project.created', 'project.renamed'])

/** Where one of these is, ops may be lost or found again that have not changed themselves. */
const OVERRIDING = new Set(['user.deleted', 'project.deleted', 'member.revoked', 'quota.set', 'quota.moved'])

function overrides({ kind }: HistoryOp): boolean {
  return OVERRIDING.has(kind)
}

function list(draft: Draft, entity: string, op: HistoryOp, lost: Lost | undefined, isUnlisted = false): void {
  if (op.kind === 'node.announced') return
  const beaten = lost?.get(op.id)
  if (op.refused) note(draft, op, { outcome: 'refused', entity, ...op.refused }, isUnlisted)
  else note(draft, op, beaten ? { outcome: 'lost', entity, ...beaten } : null)
}

function foldCluster(draft: Draft, _id: string, [founded]: readonly HistoryOp[]): Lost {
  const body = founded && bodyOf(founded, 'cluster.founded')
  if (!body) return NOTHING_LOST
  const { name, founder, time } = readGenesis(body.genesis)
  draft.put('cluster', 'cluster', {
    id: clusterIdOf(body.genesis),
    name,
    founder,
    genesis: body.genesis,
    time,
  })
  return NOTHING_LOST
}

/** Of two keys of one name the first by (depth, id): a name is the key's own digest, so they are the same. */
function foldNetworkKey(draft: Draft, key: string, [first]: readonly HistoryOp[]): Lost {
  const body = first && bodyOf(first, 'network.key-rotated')
  if (first && body) {
    const { depth, id, author, time } = first
    draft.put('networkKeys', key, { key, depth, id, author, time, sealed: body.sealed })
  } else if (draft.get('networkKeys', key)) draft.delete('networkKeys', key)
  return NOTHING_LOST
}

function foldSnapshot(draft: Draft, id: string, ops: readonly HistoryOp[]): Lost {
  const made = ops.find((op) => op.id === id)
  const body = made && bodyOf(made, 'lane.snapshotted')
  if (made && body) {
    const others = new Set(ops.filter(({ kind }) => kind === 'lane.attested').map(({ author }) => author))
    others.delete(made.author)
    const signers = [made.author, ...[...others].sort()]
    draft.put('snapshots', id, { id, dot: made.dot, depth: made.depth, ...body, signers })
  } else if (draft.get('snapshots', id)) draft.delete('snapshots', id)
  return NOTHING_LOST
}
