import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { Fault } from '../../src/errors.ts'
import { writeDurable } from '../../src/runtime/durable-file.ts'
import type { Acquaintance } from './admission.ts'

/**
 * What a node keeps of its cluster, in its data directory:
 *
 *   identity.pem    the node's Ed25519 key (0600)
 *   network.key     the cluster's network keys, and until when the older ones are good (0600)
 *   seal.key        the node's X25519 key: secrets meant for it alone are sealed to it (0600)
 *   place           the inode of identity.pem: a copy of the directory, a backup put back, has another
 *   life            the incarnation the node writes in, where it is not its first
 *   joining.json    the invite a second consent is waited for, until then
 *   cluster.json    which cluster this is, its genesis, and members to ask until the tables know more
 *   invites.json    secrets of this node's own open invites (0600)
 *   torrents/       piece hashes of blobs, by digest
 */
export interface ClusterPaths {
  readonly identity: string
  readonly networkKey: string
  readonly sealKey: string
  readonly place: string
  readonly life: string
  readonly joining: string
  readonly cluster: string
  readonly invites: string
  readonly torrents: string
}

export function clusterPaths(dataDir: string): ClusterPaths {
  return {
    identity: join(dataDir, 'identity.pem'),
    networkKey: join(dataDir, 'network.key'),
    sealKey: join(dataDir, 'seal.key'),
    place: join(dataDir, 'place'),
    life: join(dataDir, 'life'),
    joining: join(dataDir, 'joining.json'),
    cluster: join(dataDir, 'cluster.json'),
    invites: join(dataDir, 'invites.json'),
    torrents: join(dataDir, 'torrents'),
  }
}

const seed = z.strictObject({
  id: z.string(),
  name: z.string(),
  site: z.string(),
  addresses: z.array(z.string()),
  swarm: z.array(z.string()),
  url: z.string().nullable(),
})

const clusterFile = z.strictObject({
  clusterId: z.string().regex(/^[0-9a-f]{64}$/),
  clusterName: z.string(),
  nodeId: z.string(),
  /** base64 */
  genesis: z.string(),
  seeds: z.array(seed),
})

const joiningFile = z.strictObject({ inviteId: z.string() })

/** A node's own note of where it belongs. Written last when it founds or joins: its presence is membership. */
export interface ClusterNote {
  readonly clusterId: string
  readonly clusterName: string
  readonly nodeId: string
  readonly genesis: Uint8Array
  /** Members to dial, and to let in, until the tables have arrived. */
  readonly seeds: readonly Acquaintance[]
}

/** @throws Fault DATA_DIR_UNREADABLE */
export async function readClusterNote(paths: ClusterPaths): Promise<ClusterNote | undefined> {
  const text = await readFile(paths.cluster, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Fault('DATA_DIR_UNREADABLE', `${paths.cluster} cannot be read`, {}, error)
  })
  if (text === undefined) return undefined
  try {
    const note = clusterFile.parse(JSON.parse(text))
    return { ...note, genesis: Buffer.from(note.genesis, 'base64') }
  } catch (error) {
    throw new Fault('DATA_DIR_UNREADABLE', `${paths.cluster} is damaged: restore it from a backup`, {}, error)
  }
}

export async function writeClusterNote(paths: ClusterPaths, note: ClusterNote): Promise<void> {
  const text = JSON.stringify({ ...note, genesis: Buffer.from(note.genesis).toString('base64') }, null, 2)
  await writeDurable(paths.cluster, `${text}\n`, 0o600)
}

/** The incarnation the node writes in; undefined while it is the first. @throws Fault DATA_DIR_UNREADABLE */
export async function readLife(paths: ClusterPaths): Promise<string | undefined> {
  const text = await readFile(paths.life, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Fault('DATA_DIR_UNREADABLE', `${paths.life} cannot be read`, {}, error)
  })
  const life = text?.trim()
  if (life !== undefined && !/^[a-z0-9]{1,16}$/.test(life))
    throw new Fault(
      'DATA_DIR_UNREADABLE',
      `${paths.life} is damaged: delete it, and the node begins a new life`,
    )
  return life
}

export async function writeLife(paths: ClusterPaths, life: string): Promise<void> {
  await writeDurable(paths.life, `${life}\n`, 0o600)
}

/** The invite this directory waits by, where it does. */
export async function readJoining(paths: ClusterPaths): Promise<string | undefined> {
  const text = await readFile(paths.joining, 'utf8').catch(() => undefined)
  return text === undefined ? undefined : joiningFile.safeParse(JSON.parse(text)).data?.inviteId
}

export async function writeJoining(paths: ClusterPaths, inviteId: string): Promise<void> {
  await writeDurable(paths.joining, `${JSON.stringify({ inviteId })}\n`, 0o600)
}

/** Whether the directory is another than the one the node last knew itself to be in: somebody copied it. */
export async function isCopied(paths: ClusterPaths): Promise<boolean> {
  const known = await readFile(paths.place, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new Fault('DATA_DIR_UNREADABLE', `${paths.place} cannot be read`, {}, error)
  })
  if (known !== undefined) return known.trim() !== (await placeOf(paths))
  await writePlace(paths)
  return false
}

/** Notes that the node knows where it is. */
export async function writePlace(paths: ClusterPaths): Promise<void> {
  await writeDurable(paths.place, `${await placeOf(paths)}\n`, 0o600)
}

async function placeOf({ identity }: ClusterPaths): Promise<string> {
  return String((await stat(identity, { bigint: true })).ino)
}
