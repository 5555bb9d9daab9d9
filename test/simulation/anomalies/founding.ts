import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { clusterIdOf, foundingOps, recoveryMessage, writeGenesis } from '../../../src/journal/genesis.ts'
import { type Body, op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, type Entry, type NewOp } from '../../../src/journal/op.ts'
import type { NodeFacts, NodeRole } from '../../../src/journal/rows.ts'
import { deliver, PLAIN } from './delivery.ts'
import { type Resting, Site } from './site.ts'

/** Nodes of three sites; A founded the cluster. */
export const NODES = ['a', 'b', 'c'].map((name) => name.repeat(24)) as [string, string, string]
export const HASH = '$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA'

const recoveryKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
})
const recovery = Buffer.from(createPublicKey(recoveryKey).export({ format: 'jwk' }).x as string, 'base64url')
const genesis = writeGenesis({
  name: 'test',
  founder: NODES[0],
  nonce: new Uint8Array(32),
  time: 1,
  recovery: new Uint8Array(recovery),
})
export const CLUSTER = clusterIdOf(genesis)

export function factsOf(name: string): Body<'node.announced'>['facts'] {
  const facts: NodeFacts = {
    name,
    site: name,
    addresses: [],
    swarm: [],
    url: null,
    tokenKey: 'k'.repeat(43),
    sealKey: 's'.repeat(43),
  }
  return { ...facts, addresses: [], swarm: [] }
}

export function inviteOp(invite: string, actor = 'node', role: NodeRole = 'anchor', approval = false): NewOp {
  return op(
    'invite.created',
    { invite, verifier: 'v', expiresAt: 1, role, scope: null, approval, days: null },
    actor,
  )
}

export function admissionOp(node: string, invite: string, actor = 'node'): NewOp {
  return op('node.admitted', { node, facts: factsOf(node.slice(0, 1)), invite, notAfter: null }, actor)
}

export function userOp(name: string, number: number, admin: boolean, actor: string): NewOp {
  return op(
    'user.created',
    { name, number, email: '', realname: '', comment: '', admin, passwordHash: HASH },
    actor,
  )
}

export function recoveryOp(user: string, epoch: number): NewOp {
  const recovered = { user, passwordHash: HASH, epoch }
  const signature = sign(null, recoveryMessage({ cluster: CLUSTER, ...recovered }), recoveryKey)
  return op('cluster.recovered', { ...recovered, signature: new Uint8Array(signature) }, 'node')
}

/** Who and what there is before the sites part. */
export interface People {
  /** The first administrator, made by the founding node. */
  readonly root: string
  /** Administrators made by root: equals. */
  readonly alice: string
  readonly bob: string
  /** Owns the project. */
  readonly carol: string
  readonly dave: string
  /** Administrator of the project, by carol. */
  readonly erin: string
  readonly shop: string
}

export interface Founded {
  readonly people: People
  readonly resting: readonly [Resting, Resting, Resting]
}

let founded: Promise<Founded> | undefined

/** A cluster of three sites that know of each other and of everybody; made once. */
export function foundedCluster(): Promise<Founded> {
  founded ??= found()
  return founded
}

async function found(): Promise<Founded> {
  const sites = NODES.map((node) => new Site(node, CLUSTER)) as [Site, Site, Site]
  const [a] = sites
  const made = async (...ops: NewOp[]) => (await a.sequencer.commit(AUTHORITY, () => ops)).ids as string[]
  await made(...foundingOps(genesis, NODES[0], factsOf('a')))
  for (const node of NODES.slice(1)) {
    await made(inviteOp(`invite-${node.slice(0, 4)}`))
    await made(admissionOp(node, `invite-${node.slice(0, 4)}`))
  }
  const [root] = (await made(userOp('root', 1, true, 'node'))) as [string]
  const [alice, bob, carol, dave, erin] = (await made(
    userOp('alice', 2, true, root),
    userOp('bob', 3, true, root),
    userOp('carol', 4, false, root),
    userOp('dave', 5, false, root),
    userOp('erin', 6, false, root),
  )) as [string, string, string, string, string]
  const [shop] = (await made(
    op(
      'project.created',
      { name: 'shop', number: 1, owner: carol, ownerMember: 1, metadata: { public: 'false' } },
      root,
    ),
  )) as [string]
  await made(op('member.granted', { project: shop, user: erin, role: 1, number: 2 }, carol))
  const entries: readonly Entry[] = a.entries()
  for (const site of sites.slice(1)) await deliver(site, entries, PLAIN)
  const resting = sites.map((site) => site.rest()) as [Resting, Resting, Resting]
  return { people: { root, alice, bob, carol, dave, erin, shop }, resting }
}
