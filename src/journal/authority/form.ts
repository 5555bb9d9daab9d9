import { createPublicKey, verify } from 'node:crypto'
import { isFault } from '../../errors.ts'
import { clusterIdOf, readGenesis, recoveryMessage } from '../genesis.ts'
import type { Body, KindName } from '../kinds.ts'
import { familyOf, hasSeen, isLane, type Op, parseFeedId } from '../op.ts'
import { bodyOf } from './bodies.ts'
import { inviteEntity } from './entities.ts'
import { historyOf, type Readable } from './history.ts'
import { admissionsApproved, NODE } from './needs.ts'

/**
 * Conditions on the form of an authority op beyond its schema: fixed for ever by the op and what it had seen,
 * whatever else arrives. docs/decisions/0007, step 0.
 * @returns whether they are fulfilled
 */
export function isWellFormed(tables: Readable, op: Op): boolean {
  const rule = (rules as Readonly<Record<string, (tables: Readable, op: Op, body: never) => boolean>>)[
    op.kind
  ]
  return rule === undefined || rule(tables, op, op.body as never)
}

type Rule<K extends KindName> = (tables: Readable, op: Op, body: Body<K>) => boolean

const rules: { readonly [K in KindName]?: Rule<K> } = {
  'cluster.founded': (tables, op, { genesis }) => {
    if (clusterIdOf(genesis) !== op.cluster || historyOf(tables, 'cluster').length > 0) return false
    try {
      return readGenesis(genesis).founder === op.author
    } catch (error) {
      if (isFault(error, 'GENESIS_INVALID')) return false
      throw error
    }
  },
  'cluster.recovered': (tables, op, body) => sawUser(tables, op, body.user) && isSigned(tables, op, body),
  'node.admitted': (tables, op, { node, invite }) =>
    invite === null
      ? founderOf(tables) === node && op.author === node && !sawAdmission(tables, op, node)
      : saw(tables, op, inviteEntity(op.author, invite), 'invite.created') && !sawEnd(tables, op, node),
  'node.approved': (tables, op) => admissionsApproved(tables, op).length > 0,
  'node.renewed': (tables, op, { node }) => sawAdmission(tables, op, node),
  'node.evicted': (tables, op, { node, compromised, frontier }) =>
    sawAdmission(tables, op, node) &&
    (frontier === null
      ? !compromised
      : Object.keys(frontier).every((feed) => parseFeedId(feed).author === node)),
  'node.announced': (tables, op) => op.actor === NODE && sawAdmission(tables, op, op.author),
  'node.left': (tables, op) => op.actor === NODE && sawAdmission(tables, op, op.author),
  'invite.created': (tables, op, { invite }) =>
    !saw(tables, op, inviteEntity(op.author, invite), 'invite.created'),
  'invite.withdrawn': (tables, op, { invite }) =>
    saw(tables, op, inviteEntity(op.author, invite), 'invite.created'),
  'lane.snapshotted': (_tables, _op, { lane, frontier, authority }) =>
    isLane(lane) &&
    familyOf(lane) !== 'authority' &&
    Object.keys(frontier).every((feed) => parseFeedId(feed).lane === lane) &&
    Object.keys(authority).every((feed) => parseFeedId(feed).lane === 'authority'),
  'lane.attested': (tables, op, { snapshot }) => saw(tables, op, `snapshot:${snapshot}`, 'lane.snapshotted'),
  'user.profile-set': (tables, op, { user }) => sawUser(tables, op, user),
  'user.renamed': (tables, op, { user }) => sawUser(tables, op, user),
  'user.admin-set': (tables, op, { user }) => sawUser(tables, op, user),
  'user.password-set': (tables, op, { user }) => sawUser(tables, op, user),
  'user.groups-set': (tables, op, { user }) => sawUser(tables, op, user),
  'user.deleted': (tables, op, { user }) => sawUser(tables, op, user),
  'project.created': (tables, op, { owner }) => sawUser(tables, op, owner),
  'project.metadata-set': (tables, op, { project }) => sawProject(tables, op, project),
  'project.renamed': (tables, op, { project }) => sawProject(tables, op, project),
  'project.deleted': (tables, op, { project }) => sawProject(tables, op, project),
  'member.granted': (tables, op, { project, user }) =>
    sawProject(tables, op, project) && sawUser(tables, op, user),
  'member.revoked': (tables, op, { project, user }) =>
    sawProject(tables, op, project) && sawUser(tables, op, user),
  'immutability.set': (tables, op, { project, mode, home, frontier }) =>
    sawProject(tables, op, project) &&
    (home === null ? mode !== 'strict' : sawAdmission(tables, op, home)) &&
    Object.keys(frontier).every((feed) => familyOf(parseFeedId(feed).lane) === 'catalog'),
  'quota.set': (tables, op, { project }) => sawProject(tables, op, project),
  'quota.moved': (tables, op, { project, to }) =>
    sawProject(tables, op, project) && sawAdmission(tables, op, to),
}

function saw(tables: Readable, op: Op, entity: string, kind: KindName): boolean {
  return historyOf(tables, entity).some((other) => other.kind === kind && hasSeen(op, other.dot))
}

const sawUser = (tables: Readable, op: Op, user: string) => saw(tables, op, `user:${user}`, 'user.created')
const sawProject = (tables: Readable, op: Op, project: string) =>
  saw(tables, op, `project:${project}`, 'project.created')
const sawAdmission = (tables: Readable, op: Op, node: string) =>
  saw(tables, op, `node:${node}`, 'node.admitted')

/** Whoever was put out, or left, does not come back by the same key. */
function sawEnd(tables: Readable, op: Op, node: string): boolean {
  const entity = `node:${node}`
  return saw(tables, op, entity, 'node.evicted') || saw(tables, op, entity, 'node.left')
}

function genesisOf(tables: Readable) {
  const [founded] = historyOf(tables, 'cluster')
  const body = founded && bodyOf(founded, 'cluster.founded')
  return body && readGenesis(body.genesis)
}

function founderOf(tables: Readable): string | undefined {
  return genesisOf(tables)?.founder
}

/** RFC 8032: Ed25519 over the canonical recovery message. */
function isSigned(tables: Readable, op: Op, body: Body<'cluster.recovered'>): boolean {
  const recovery = genesisOf(tables)?.recovery
  if (!recovery) return false
  const x = Buffer.from(recovery).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, recoveryMessage({ cluster: op.cluster, ...body }), key, body.signature)
}
