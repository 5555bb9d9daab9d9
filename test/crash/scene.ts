import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decode, encode } from 'cborg'
import { loadOrCreateIdentity } from '../../cluster/network/identity.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../../src/journal/genesis.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, type NewOp } from '../../src/journal/op.ts'
import { inRepository, type NodeFacts } from '../../src/journal/rows.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { carry, type Member, openMember } from './member.ts'

/** What both processes know of a scene. */
export interface Facts {
  readonly clusterId: string
  readonly project: string
  readonly owner: string
  /** The op of the snapshot that is to be installed, or that stands for what is pruned. */
  readonly snapshot?: string
  /** Blocks the node is to take in. */
  readonly incoming: readonly Uint8Array[]
}

/** Two members in one directory: `node`, which will crash, and `other`, which knows of it. */
export interface Scene {
  readonly directory: string
  readonly node: Member
  readonly other: Member
  facts: Facts
}

export async function layScene(directory: string): Promise<Scene> {
  const [mine, theirs] = [join(directory, 'node'), join(directory, 'other')]
  for (const place of [mine, theirs]) await mkdir(place, { recursive: true })
  const { id: founder } = await loadOrCreateIdentity(join(theirs, 'identity.pem'))
  const [nonce, recovery] = [new Uint8Array(32), new Uint8Array(32)]
  const genesis = writeGenesis({ name: 'crash', founder, nonce, time: 1, recovery })
  const clusterId = clusterIdOf(genesis)
  const other = await openMember(theirs, clusterId)
  const node = await openMember(mine, clusterId)
  await other.journal.commit(AUTHORITY, () => foundingOps(genesis, founder, factsOf('other')))
  const owner = await person(other, 'captain', 'node')
  const made = await other.journal.commit(AUTHORITY, () => [projectOp(owner)])
  const terms = { role: 'anchor', scope: null, approval: false, days: null } as const
  await other.journal.commit(AUTHORITY, () => [
    op('invite.created', { invite: 'invite-of-node', verifier: 'v', expiresAt: 1, ...terms }, 'node'),
    op(
      'node.admitted',
      {
        node: node.identity.id,
        facts: { ...factsOf('node'), addresses: [], swarm: [] },
        invite: 'invite-of-node',
        notAfter: null,
      },
      'node',
    ),
  ])
  await carry(other, node)
  const facts = { clusterId, project: made.ids[0] as string, owner, incoming: [] }
  return { directory, node, other, facts }
}

export async function closeScene({ directory, node, other, facts }: Scene): Promise<void> {
  await node.close()
  await other.close()
  await writeFile(join(directory, 'facts'), encode(facts))
}

export async function readFacts(directory: string): Promise<Facts> {
  return decode(await readFile(join(directory, 'facts'))) as Facts
}

let numbers = 10

/** An administrator. */
export async function person({ journal }: Member, name: string, actor: string): Promise<string> {
  const { ids } = await journal.commit(AUTHORITY, () => [personOp(name, actor, true)])
  return ids[0] as string
}

export function personOp(name: string, actor: string, admin: boolean): NewOp {
  const facts = { name, number: ++numbers, email: '', realname: '', comment: '', admin }
  return op('user.created', { ...facts, passwordHash: '$argon2id$x' }, actor)
}

export function projectOp(owner: string): NewOp {
  return op('project.created', { name: 'hold', number: 2, owner, ownerMember: 3, metadata: {} }, owner)
}

export function tagOp({ project, owner }: Facts, name: string, actor = owner): NewOp {
  const digest = `sha256:${createHash('sha256').update(name).digest('hex')}` as Digest
  return op('tag.moved', { projectId: project, path: 'app', tag: name, digest }, actor)
}

/** The tag's key in the table. */
export function tagKey({ project }: Facts, name: string): string {
  return inRepository(`${project}/app`, name)
}

/** Many tags, written by callers that come together. */
export async function writeTags(
  { journal }: Member,
  facts: Facts,
  count: number,
  name: string,
  actor?: string,
): Promise<void> {
  for (let done = 0; done < count; done += TOGETHER) {
    const together = Math.min(TOGETHER, count - done)
    await Promise.all(
      Array.from({ length: together }, (_, n) =>
        journal.commit(CATALOG, () => [tagOp(facts, `${name}-${done + n}`, actor)]),
      ),
    )
  }
}
const TOGETHER = 16

function factsOf(name: string): NodeFacts {
  const keys = { tokenKey: 'k'.repeat(43), sealKey: 's'.repeat(43) }
  return { name, site: 'here', addresses: [], swarm: [], url: null, ...keys }
}
