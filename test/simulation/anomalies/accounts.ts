import { decide } from '../../../src/access/decide.ts'
import {
  isPublic,
  membershipOf,
  projectByName,
  projectName,
  userByName,
  userName,
} from '../../../src/journal/effective.ts'
import { op } from '../../../src/journal/kinds.ts'
import { claimKey, foldName } from '../../../src/journal/names.ts'
import { AUTHORITY, byDepthThenId } from '../../../src/journal/op.ts'
import type { UserRow } from '../../../src/journal/rows.ts'
import { HASH, userOp } from './founding.ts'
import { counts, wrote } from './rights.ts'
import type { Site } from './site.ts'
import { type Act, type Anomaly, type Outcome, promised, saw } from './variant.ts'

const changesDave: Act = ({ people: { dave, root, alice }, pick, site }) => {
  const actor = [root, alice, dave][pick % 3] as string
  switch (pick % 4) {
    case 0:
      return [AUTHORITY, op('user.profile-set', { user: dave, email: `${pick}@example.org` }, actor)]
    case 1:
      return [
        AUTHORITY,
        op(
          'user.password-set',
          { user: dave, passwordHash: HASH, epoch: epochAt(site.tables.get('users', dave)) + 1 },
          actor,
        ),
      ]
    case 2:
      return [AUTHORITY, op('user.admin-set', { user: dave, admin: pick > 5 }, root)]
    default:
      return [
        AUTHORITY,
        op('user.groups-set', { user: dave, source: 'ldap', groups: [`g${pick}`], expiresAt: 5 }, actor),
      ]
  }
}
const deletesDave: Act = ({ people: { dave, root, alice }, pick }) => [
  AUTHORITY,
  op('user.deleted', { user: dave }, pick % 2 ? root : alice),
]
const changesShop: Act = ({ people: { shop, carol, erin }, pick }) => [
  AUTHORITY,
  op(
    'project.metadata-set',
    { project: shop, metadata: { public: String(pick > 5) } },
    pick % 2 ? carol : erin,
  ),
]
const deletesShop: Act = ({ people: { shop, carol, root }, pick }) => [
  AUTHORITY,
  op('project.deleted', { project: shop }, pick % 2 ? carol : root),
]

function epochAt(row: UserRow | undefined): number {
  return row?.password.epoch ?? 0
}

export const deleteAgainstUpdate: Anomaly = {
  number: 6,
  name: 'an account or project is deleted at one site and changed at another',
  acts: [changesDave, deletesDave, changesShop, deletesShop],
  promise: (outcome) => {
    const { tables, people } = outcome
    const deleted = wrote(outcome, 'user.deleted').filter((one) => counts(outcome, one))
    promised(
      (tables.get('users', people.dave)?.deleted === true) === deleted.length > 0,
      'deleted stays deleted',
    )
    promised((userByName(tables, 'dave') === undefined) === deleted.length > 0, 'its name is nobody’s')
    const gone = wrote(outcome, 'project.deleted').filter((one) => counts(outcome, one))
    promised(
      (tables.get('projects', people.shop)?.deleted === true) === gone.length > 0,
      'deleted stays deleted',
    )
    promised((projectByName(tables, 'shop') === undefined) === gone.length > 0, 'its name is nobody’s')
    for (const [first, kinds] of [
      [deleted, ['user.profile-set', 'user.password-set', 'user.admin-set', 'user.groups-set']],
      [gone, ['project.metadata-set']],
    ] as const) {
      for (const one of kinds.flatMap((kind) => wrote(outcome, kind))) {
        const unseen = first.length > 0 && first.every((removal) => !saw(removal, one) && !saw(one, removal))
        promised(!unseen || outcome.ineffective(one) !== undefined, 'a change that came too late is listed')
      }
    }
  },
}

const createsTwin: Act = ({ people: { root, alice }, pick }) => [
  AUTHORITY,
  userOp(['twin', 'TWIN', 'tvin'][pick % 3] as string, 50 + (pick % 2), false, pick % 2 ? root : alice),
]
const createsStore: Act = ({ people: { carol, dave }, pick }) => {
  const owner = pick % 2 ? carol : dave
  return [
    AUTHORITY,
    op(
      'project.created',
      {
        name: 'store',
        number: 70 + (pick % 2),
        owner,
        ownerMember: 5,
        metadata: { public: String(pick > 3) },
      },
      owner,
    ),
  ]
}

const USER_NAMES = ['twin', 'tvin', 'third', 'dave'] as const
const PROJECT_NAMES = ['store', 'depot', 'shop'] as const

/** Somebody who is known there by one of the names, any of several claimants. */
function claimantAt(site: Site, keys: readonly string[], pick: number): string | undefined {
  const claims = keys.flatMap((key) => site.tables.get('claims', key) ?? [])
  return claims[pick % Math.max(1, claims.length)]?.id
}

const renamesUser: Act = ({ people: { root, alice, dave }, pick, site }) => {
  const keys = USER_NAMES.map((name) => claimKey('user-name', name))
  const user = claimantAt(site, keys, pick)
  const name = ['third', 'Twin', 'tvin', 'dave'][pick % 4] as string
  // Nobody takes another name by themselves, though dave may try.
  const actor = [root, alice, 'node', dave][pick % 5] ?? root
  return user === undefined ? undefined : [AUTHORITY, op('user.renamed', { user, name }, actor)]
}
const renamesProject: Act = ({ people: { root, carol, erin }, pick, site }) => {
  const keys = PROJECT_NAMES.map((name) => claimKey('project-name', name))
  const project = claimantAt(site, keys, pick)
  const name = PROJECT_NAMES[(pick >> 1) % 3] as string
  const actor = [root, carol, erin][pick % 3] as string
  return project === undefined ? undefined : [AUTHORITY, op('project.renamed', { project, name }, actor)]
}

/** The name of the last renaming that counts, and that its deletion had seen. */
function lastName(outcome: Outcome, kind: string, about: Record<string, string>): string | undefined {
  const [last] = wrote(outcome, kind, about)
    .filter((one) => counts(outcome, one) && outcome.ineffective(one)?.reason !== 'deleted')
    .sort((a, b) => byDepthThenId(b, a))
  return (last?.body as { name: string } | undefined)?.name
}

function promisesOfNames(outcome: Outcome): void {
  const { tables } = outcome
  for (const [what, names] of [
    ['user', USER_NAMES],
    ['project', PROJECT_NAMES],
  ] as const) {
    for (const name of names) {
      const key = claimKey(`${what}-name`, name)
      for (const { id } of tables.get('claims', key) ?? []) {
        const row = tables.get(`${what}s`, id)
        promised(row?.deleted === false && foldName(row.name) === name, 'nobody claims a name given up')
        const renamed = lastName(outcome, `${what}.renamed`, { [what]: id })
        promised(renamed === undefined || row.name === renamed, 'the last renaming says the name')
      }
    }
  }
  for (const one of wrote(outcome, 'user.renamed')) {
    promised(one.actor !== outcome.people.dave || !counts(outcome, one), 'nobody renames themselves')
  }
}

export const sameName: Anomaly = {
  number: 7,
  name: 'two sites create the same name',
  acts: [createsTwin, createsStore, deletesDave, renamesUser, renamesProject],
  promise: (outcome) => {
    const { tables, people } = outcome
    promisesOfNames(outcome)
    const shown = new Set<string>()
    const users = wrote(outcome, 'user.created').filter((one) => counts(outcome, one))
    for (const { id } of users) {
      const row = tables.get('users', id)
      promised(row !== undefined, 'both accounts are there')
      const name = userName(tables, row)
      promised(!shown.has(name.toLowerCase()), 'no two accounts are shown by one name')
      shown.add(name.toLowerCase())
      promised(userByName(tables, name)?.id === id, 'each is found by the name it is shown with')
    }
    const projects = wrote(outcome, 'project.created').filter((one) => counts(outcome, one))
    for (const { id, body } of projects) {
      const row = tables.get('projects', id)
      promised(row !== undefined, 'both projects are there')
      const name = projectName(tables, row)
      promised(!shown.has(name), 'no two projects are shown by one name')
      shown.add(name)
      promised(name === row.name || !isPublic(tables, row), 'who lost the name is private')
      const { owner } = body as { owner: string }
      const other = owner === people.carol ? people.dave : people.carol
      promised(membershipOf(tables, id, other) === undefined, 'a clash never merges two people’s rights')
    }
  },
}

export const missingRole: Anomaly = {
  number: 8,
  name: 'a membership names a role there is none of',
  acts: [
    ({ people: { shop, dave, carol }, pick }) => [
      AUTHORITY,
      // As a later or dishonest version might write it: past the schema at the door.
      {
        kind: 'member.granted',
        body: { project: shop, user: dave, role: 6 + pick, number: 9 },
        actor: carol,
      },
    ],
    ({ people: { shop, dave, erin } }) => [
      AUTHORITY,
      op('member.revoked', { project: shop, user: dave }, erin),
    ],
  ],
  promise: ({ tables, people: { shop, dave } }) => {
    const decision = decide(
      { kind: 'user', id: dave },
      { on: 'project', project: shop, action: 'project:read' },
      tables,
    )
    promised(!decision.allow, 'an assignment to a role that is not there is empty')
  },
}

const setsPassword: Act = ({ people: { dave, root, alice }, pick, site }) => {
  const epoch = epochAt(site.tables.get('users', dave)) + 1 + (pick % 2)
  const passwordHash = `${HASH}${pick}${site.node.slice(0, 1)}`
  return [
    AUTHORITY,
    op('user.password-set', { user: dave, passwordHash, epoch }, [dave, root, alice][pick % 3] as string),
  ]
}

export const oldPassword: Anomaly = {
  number: 9,
  name: 'a password is changed at one site and used or changed at another',
  acts: [setsPassword],
  promise: (outcome) => {
    const row = outcome.tables.get('users', outcome.people.dave)
    const set = wrote(outcome, 'user.password-set').map(
      (one) => one.body as { epoch: number; passwordHash: string },
    )
    const greatest = Math.max(1, ...set.map(({ epoch }) => epoch))
    promised(row?.password.epoch === greatest, 'the highest epoch wins')
    const holders = set.filter(({ epoch }) => epoch === greatest).map(({ passwordHash }) => passwordHash)
    promised(set.length === 0 || holders.includes(row.password.hash), 'an old secret never comes back')
  },
}

const GROUPS = ['admins', 'builders', 'readers']

export const directoryGroups: Anomaly = {
  number: 10,
  name: 'a directory takes somebody out of a group while another site still counts her in',
  acts: [
    ({ people: { dave }, pick }) => [
      AUTHORITY,
      op(
        'user.groups-set',
        { user: dave, source: pick % 2 ? 'ldap' : 'oidc', groups: GROUPS.slice(pick % 4), expiresAt: pick },
        'node',
      ),
    ],
  ],
  promise: (outcome) => {
    const row = outcome.tables.get('users', outcome.people.dave)
    for (const source of ['ldap', 'oidc']) {
      const said = wrote(outcome, 'user.groups-set', { source })
      const living = said.filter((one) => !said.some((later) => saw(later, one)))
      const kept = row?.groups[source] ?? []
      promised(
        kept.length === living.length && living.every(({ id }) => kept.some((one) => one.id === id)),
        'what a directory said last takes the place of what it said before',
      )
    }
  },
}
