import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, trailLane } from '../../../src/journal/op.ts'
import { deleteAgainstUpdate, directoryGroups, missingRole, oldPassword, sameName } from './accounts.ts'
import {
  DIGESTS,
  deleteAgainstPush,
  immutableTwice,
  movedTag,
  overspending,
  tightening,
  twoScanners,
} from './content.ts'
import { admissionOp, factsOf, inviteOp, NODES, userOp } from './founding.ts'
import { compaction, recovered, twoFaced } from './membership.ts'
import { duel, grantAgainstRevoke, lastOwner, removedAdmin } from './rights.ts'
import type { Act, Anomaly } from './variant.ts'

const ROLES = ['anchor', 'replica', 'edge', 'readonly'] as const
const TRAIL = trailLane('system', 0)

/** What no single anomaly is about: nodes that come and go, and what is written down of the day. */
const others: readonly Act[] = [
  ({ people: { root, alice }, pick }) => [
    AUTHORITY,
    inviteOp(`invite-${pick % 3}`, ['node', root, alice][pick % 3], ROLES[pick % 4], pick > 7),
  ],
  ({ people: { alice }, pick }) => [
    AUTHORITY,
    admissionOp(['x', 'y'][pick % 2]?.repeat(24) as string, `invite-${pick % 3}`, pick > 5 ? alice : 'node'),
  ],
  ({ people: { root, bob }, pick }) => [
    AUTHORITY,
    op('node.approved', { node: 'x'.repeat(24) }, ['node', root, bob][pick % 3] as string),
  ],
  ({ pick }) => [AUTHORITY, op('node.renewed', { node: NODES[pick % 3] as string, notAfter: pick }, 'node')],
  ({ site, pick }) => [
    AUTHORITY,
    op('node.announced', { facts: factsOf(`${site.node.slice(0, 1)}${pick}`) }, 'node'),
  ],
  ({ site, pick }) =>
    pick > 8 && site.node !== NODES[0] ? [AUTHORITY, op('node.left', {}, 'node')] : undefined,
  ({ people: { alice }, pick }) => [
    AUTHORITY,
    op('invite.withdrawn', { invite: `invite-${pick % 3}` }, pick % 2 ? 'node' : alice),
  ],
  ({ pick }) => [
    AUTHORITY,
    op(
      'network.key-rotated',
      { key: `${pick}`.padStart(16, '0'), sealed: { [NODES[0]]: new Uint8Array(2) } },
      'node',
    ),
  ],
  ({ people: { erin }, pick }) => [
    TRAIL,
    op('event.recorded', { action: 'pull', resource: `${pick}`, client: null, outcome: 'done' }, erin),
  ],
  ({ people: { shop }, pick }) => [
    TRAIL,
    op(
      'pulls.counted',
      { projectId: shop, path: 'app', digest: DIGESTS[pick % 4] ?? DIGESTS[0], total: pick },
      'node',
    ),
  ],
  ({ people: { alice }, pick }) => [
    AUTHORITY,
    op(
      'link.policy-set',
      {
        link: pick % 3 ? 'hq/shop' : '*',
        ...(pick % 2 && { rate: 20_000 * (pick + 1) }),
        forbidden: pick > 6 ? null : pick % 4 === 0,
      },
      alice,
    ),
  ],
  ({ pick }) => [TRAIL, op('link.counted', { link: 'hq/shop', sent: pick, received: 100 - pick }, 'node')],
  // Several at once, in one entry: of one depth, in an order only their places tell.
  ({ people: { root, dave }, pick }) => [
    AUTHORITY,
    op('user.profile-set', { user: dave, email: 'one@example.org' }, root),
    op('user.profile-set', { user: dave, email: 'two@example.org' }, root),
    op('user.admin-set', { user: dave, admin: true }, root),
    op('user.admin-set', { user: dave, admin: pick > 5 }, root),
    userOp(`last-${pick}`, 400 + pick, false, dave),
  ],
  ({ people: { shop, dave, erin } }) => [
    AUTHORITY,
    op('member.granted', { project: shop, user: dave, role: 1, number: 9 }, erin),
    op('member.granted', { project: shop, user: erin, role: 3, number: 2 }, dave),
    op('member.revoked', { project: shop, user: dave }, erin),
  ],
]

/** All at once: nothing is promised of it but that every site and the reference agree. */
export const everything: Pick<Anomaly, 'acts' | 'steps'> = {
  acts: [
    others,
    ...[
      grantAgainstRevoke,
      removedAdmin,
      duel,
      lastOwner,
      deleteAgainstUpdate,
      sameName,
      missingRole,
      oldPassword,
      directoryGroups,
      overspending,
      movedTag,
      immutableTwice,
      tightening,
      deleteAgainstPush,
      recovered,
      twoFaced,
      compaction,
      twoScanners,
    ].map(({ acts }) => acts),
    others,
  ].flat(),
  steps: 20,
}
