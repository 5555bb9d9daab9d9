import { isAdmin, membershipOf } from '../../../src/journal/effective.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, type Op } from '../../../src/journal/op.ts'
import type { RoleId } from '../../../src/journal/rows.ts'
import { userOp } from './founding.ts'
import { type Act, type Anomaly, type Outcome, promised, saw } from './variant.ts'

const ROLES: readonly RoleId[] = [1, 2, 3, 4, 5]

/** Ops of the steps by their body. */
export function wrote(outcome: Outcome, kind: string, body: Readonly<Record<string, unknown>> = {}): Op[] {
  return outcome.ops.filter(
    (one) =>
      one.kind === kind &&
      Object.entries(body).every(([key, value]) => (one.body as Record<string, unknown>)[key] === value),
  )
}

export function counts(outcome: Outcome, one: Op): boolean {
  return outcome.ineffective(one)?.outcome !== 'refused'
}

const grants: Act = ({ people: { shop, dave, carol, root, erin }, pick }) => [
  AUTHORITY,
  op(
    'member.granted',
    { project: shop, user: dave, role: ROLES[pick % 5] as RoleId, number: 9 },
    [carol, root, erin][pick % 3] as string,
  ),
]
const revokes: Act = ({ people: { shop, dave, carol, root, erin }, pick }) => [
  AUTHORITY,
  op('member.revoked', { project: shop, user: dave }, [carol, root, erin][pick % 3] as string),
]

export const grantAgainstRevoke: Anomaly = {
  number: 1,
  name: 'a grant and a revocation of the same membership at two sites',
  acts: [grants, revokes],
  promise: (outcome) => {
    const { shop, dave } = outcome.people
    const row = outcome.tables.get('members', `${shop}/${dave}`)
    const revocations = wrote(outcome, 'member.revoked').filter((one) => counts(outcome, one))
    for (const living of row?.grants ?? []) {
      const grant = outcome.ops.find(({ id }) => id === living.id)
      promised(
        grant !== undefined && revocations.every((one) => saw(grant, one)),
        'a revocation beats any grant that had not seen it',
      )
    }
    const member = membershipOf(outcome.tables, shop, dave)
    promised(
      (member === undefined) === ((row?.grants.length ?? 0) === 0),
      'membership is what living grants say',
    )
  },
}

/** What an administrator of whom others do not know yet that she is none any more can do. */
const behindYourBack: readonly Act[] = [
  ({ people: { alice, dave } }) => [AUTHORITY, op('user.admin-set', { user: dave, admin: true }, alice)],
  ({ people: { alice }, pick }) => [AUTHORITY, userOp(`door-${pick}`, 100 + pick, true, alice)],
  ({ people: { alice, shop, dave } }) => [
    AUTHORITY,
    op('member.granted', { project: shop, user: dave, role: 1, number: 9 }, alice),
  ],
  // By whom she made powerful behind your back.
  ({ people: { dave }, pick }) => [AUTHORITY, userOp(`friend-${pick}`, 200 + pick, true, dave)],
  ({ people: { shop, dave, erin } }) => [
    AUTHORITY,
    op('member.granted', { project: shop, user: dave, role: 4, number: 9 }, erin),
  ],
]
const demotesAlice: Act = ({ people: { root, alice } }) => [
  AUTHORITY,
  op('user.admin-set', { user: alice, admin: false }, root),
]

/** Nothing alice did by a right that was taken stands, but what the taker had seen. */
function nothingBehindYourBack(outcome: Outcome): void {
  const { alice, dave } = outcome.people
  const removals = wrote(outcome, 'user.admin-set', { user: alice, admin: false })
  for (const removal of removals) promised(counts(outcome, removal), 'a senior’s removal counts')
  const dead = outcome.ops.filter(
    (one) =>
      one.actor === alice && one.kind !== 'tag.moved' && removals.some((removal) => !saw(removal, one)),
  )
  for (const one of dead) {
    promised(!counts(outcome, one), 'nothing a removed admin did behind your back survives the merge')
  }
  const made = wrote(outcome, 'user.admin-set', { user: dave, admin: true })
  const isMade = made.some((one) => counts(outcome, one))
  for (const one of outcome.ops.filter(({ actor }) => actor === dave)) {
    promised(isMade || !counts(outcome, one), 'nor what those did whom she had given the power')
  }
  const row = outcome.tables.get('users', dave)
  promised(row !== undefined && isAdmin(row) === isMade, 'who was made an administrator by none is none')
}

export const removedAdmin: Anomaly = {
  number: 2,
  name: 'an administrator gives rights at a site that has not heard of her removal',
  acts: [...behindYourBack, demotesAlice],
  promise: nothingBehindYourBack,
  steps: 8,
}

export const backDated: Anomaly = {
  number: 3,
  name: 'a removed administrator adds a back door with an old clock and old parents',
  // The same acts: what an old clock and old parents look like is a site that never heard, with any clock.
  acts: [behindYourBack[1] as Act, behindYourBack[0] as Act, demotesAlice],
  promise: (outcome) => {
    nothingBehindYourBack(outcome)
    for (const one of wrote(outcome, 'user.created')) {
      const row = outcome.tables.get('users', one.id)
      promised((row !== undefined) === counts(outcome, one), 'back-dating cannot restore power')
    }
  },
  steps: 8,
}

const fights: Act = ({ people: { root, alice, bob }, pick }) => {
  const admins = [alice, bob, root] as const
  const actor = admins[pick % 3] as string
  const user = admins[(pick + 1 + (pick % 2)) % 3] as string
  return actor === user ? undefined : [AUTHORITY, op('user.admin-set', { user, admin: false }, actor)]
}

export const duel: Anomaly = {
  number: 4,
  name: 'two administrators remove each other at two sites',
  acts: [fights],
  promise: (outcome) => {
    const { root, alice, bob } = outcome.people
    const isAdminNow = (user: string) => {
      const row = outcome.tables.get('users', user)
      return row !== undefined && isAdmin(row)
    }
    for (const [one, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      for (const by of wrote(outcome, 'user.admin-set', { user: other }).filter(
        ({ actor }) => actor === one,
      )) {
        const back = wrote(outcome, 'user.admin-set', { user: one }).filter(({ actor }) => actor === other)
        if (!back.some((answer) => !saw(answer, by) && !saw(by, answer))) continue
        // Unless a senior was quicker, or one of them is the last there is.
        const isSettled = outcome.ops.some(
          (op) => op.actor === root || outcome.ineffective(op)?.reason === 'last-admin',
        )
        if (isSettled) continue
        promised(!isAdminNow(one) && !isAdminNow(other), 'equal admins who fight both lose power')
      }
    }
    // A senior is never removed by those who had not seen that he removed them.
    const byRoot = outcome.ops.filter(({ actor }) => actor === root)
    // Of two removals by seniors that each had seen what the other takes back, one has to be first.
    const isCycle = byRoot.some((one) =>
      byRoot.some((other) => one !== other && !saw(one, other) && !saw(other, one)),
    )
    if (isCycle) return
    for (const junior of [alice, bob]) {
      const removal = byRoot.find(
        (one) => (one.body as { user: string }).user === junior && counts(outcome, one),
      )
      for (const one of outcome.ops.filter(({ actor }) => actor === junior)) {
        if (!removal || saw(removal, one)) continue
        promised(!counts(outcome, one), 'a senior’s removal undoes a junior’s')
      }
    }
  },
}

const removesAnyAdmin: Act = ({ people: { root, alice, bob }, pick }) => {
  const admins = [root, alice, bob]
  const actor = [...admins, 'node'][pick % 4] as string
  const user = admins[Math.floor(pick / 4)] as string
  return [
    AUTHORITY,
    pick % 3 === 0
      ? op('user.deleted', { user }, actor)
      : op('user.admin-set', { user, admin: false }, actor),
  ]
}

export const lastOwner: Anomaly = {
  number: 5,
  name: 'the last administrators are removed at two sites',
  acts: [removesAnyAdmin],
  promise: ({ tables, people: { root, alice, bob } }) => {
    const left = [root, alice, bob].filter((user) => {
      const row = tables.get('users', user)
      return row !== undefined && isAdmin(row)
    })
    promised(left.length > 0, 'a cluster never ends with no administrator')
  },
  steps: 8,
}
