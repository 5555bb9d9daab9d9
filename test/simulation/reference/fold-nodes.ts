import { readGenesis } from '../../../src/journal/genesis.ts'
import { byDepthThenId } from '../../../src/journal/op.ts'
import type { NodeRow } from '../../../src/journal/rows.ts'
import { type Formed, is } from './formed.ts'
import type { ReferenceTables } from './tables.ts'
import type { Verdicts } from './verdicts.ts'
import { listIn, type World } from './world.ts'

/** What is effective about each node. */
type NodeOp = Formed<
  'node.admitted' | 'node.approved' | 'node.renewed' | 'node.announced' | 'node.left' | 'node.evicted'
>

export function foldNodes(
  ops: readonly Formed[],
  world: World,
  verdicts: Verdicts,
  tables: ReferenceTables,
): void {
  const nodes = new Map<string, NodeOp[]>()
  for (const op of ops) {
    if (is(op, 'cluster.founded')) putCluster(op, tables)
    if (is(op, 'node.announced', 'node.left')) listIn(nodes, op.author, op)
    if (is(op, 'node.admitted', 'node.approved', 'node.renewed', 'node.evicted'))
      listIn(nodes, op.body.node, op)
  }
  for (const [node, about] of nodes) {
    const row = nodeRow(node, about.sort(byDepthThenId), world, verdicts)
    if (row) tables.put('nodes', node, row)
  }
}

function putCluster(
  { cluster, body: { genesis } }: Formed<'cluster.founded'>,
  tables: ReferenceTables,
): void {
  const { name, founder, time } = readGenesis(genesis)
  tables.put('cluster', 'cluster', { id: cluster, name, founder, genesis, time })
}

function nodeRow(
  node: string,
  about: readonly NodeOp[],
  world: World,
  verdicts: Verdicts,
): NodeRow | undefined {
  const admission = about.find((op) => is(op, 'node.admitted'))
  if (!admission) return undefined
  const invite = admission.body.invite === null ? undefined : world.made.inviteOf(admission)
  const announced = about.filter((op) => is(op, 'node.announced')).at(-1)
  const term = about.filter((op) => is(op, 'node.renewed') || is(op, 'node.admitted')).at(-1)
  const has = (kind: NodeOp['kind']) => about.some((op) => op.kind === kind)
  return {
    ...(announced ?? admission).body.facts,
    id: node,
    state: has('node.evicted')
      ? 'evicted'
      : has('node.left')
        ? 'left'
        : isApproved(node, world, verdicts)
          ? 'member'
          : 'pending',
    role: invite?.body.role ?? 'anchor',
    scope: invite?.body.scope ?? null,
    admittedAt: admission.time,
    admittedBy: admission.author,
    admission: { id: admission.id, depth: admission.depth },
    notAfter: (term ?? admission).body.notAfter,
    announced: announced !== undefined,
  }
}

function isApproved(node: string, world: World, verdicts: Verdicts): boolean {
  return (world.grants.get(`node:${node}#member`) ?? []).some(
    ({ op, admission }) =>
      verdicts.refusal(op) === null && (!admission || verdicts.refusal(admission) === null),
  )
}

export function foldInvites(ops: readonly Formed[], world: World, tables: ReferenceTables): void {
  for (const op of ops.filter((one) => is(one, 'invite.created'))) {
    const { invite, verifier, expiresAt, role, scope, approval, days } = op.body
    const redeemed = ops
      .filter((one) => is(one, 'node.admitted'))
      .filter((one) => world.needs.get(one.id)?.invite === op)
      .sort(byDepthThenId)[0]
    tables.put('invites', `${op.author}/${invite}`, {
      id: invite,
      issuer: op.author,
      created: op.id,
      actor: op.actor,
      verifier,
      expiresAt,
      role,
      scope,
      approval,
      days,
      withdrawn: ops.some(
        (one) => is(one, 'invite.withdrawn') && one.author === op.author && one.body.invite === invite,
      ),
      redeemedBy: redeemed?.body.node ?? null,
    })
  }
}

export function foldKeysAndSnapshots(ops: readonly Formed[], tables: ReferenceTables): void {
  for (const op of [...ops].sort(byDepthThenId)) {
    if (is(op, 'network.key-rotated') && !tables.get('networkKeys', op.body.key)) {
      const { id, depth, author, time } = op
      tables.put('networkKeys', op.body.key, { ...op.body, depth, id, author, time })
    }
    if (is(op, 'lane.snapshotted')) {
      const { id, dot, depth } = op
      const attested = ops.filter((one) => is(one, 'lane.attested')).filter((one) => one.body.snapshot === id)
      const signers = [...new Set([op.author, ...attested.map(({ author }) => author).sort()])]
      tables.put('snapshots', id, { id, dot, depth, ...op.body, signers })
    }
  }
}
