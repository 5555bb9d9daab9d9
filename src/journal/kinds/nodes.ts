import { z } from 'zod'
import { bytes, digest, frontier, id, line, nodeId, tenant } from './fields.ts'
import { authority } from './kind.ts'

const address = z.string().min(1).max(300)
const key = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const time = z.number().int().min(0)

export const nodeFactsSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/),
  site: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/),
  addresses: z.array(address).max(16),
  swarm: z.array(address).max(16),
  url: z.string().max(300).nullable(),
  tokenKey: key,
  sealKey: key,
})

/** What a node may write; see docs/decisions/0007. */
export const nodeRole = z.enum(['anchor', 'replica', 'edge', 'readonly'])

export const nodeKinds = {
  /** The first op of a cluster; the SHA-256 of `genesis` is the cluster's id. */
  'cluster.founded': authority(z.strictObject({ genesis: bytes })),
  /** Written with the recovery key: makes that account an administrator again, whatever was taken from it. */
  'cluster.recovered': authority(
    z.strictObject({
      user: id,
      passwordHash: z.string().max(300).startsWith('$argon2id$'),
      /** Credential epoch, above the account's own. */
      epoch: z
        .number()
        .int()
        .min(1)
        .max(2 ** 31),
      /** Ed25519 over `recoveryMessage` of the rest (src/journal/genesis.ts). */
      signature: bytes,
    }),
  ),
  'node.admitted': authority(
    z.strictObject({
      node: nodeId,
      facts: nodeFactsSchema,
      invite: z.string().max(64).nullable(),
      /** Milliseconds since 1970 until which the membership lasts unless renewed; null: for good. */
      notAfter: time.nullable(),
    }),
  ),
  /** The second consent, where the invite asks for one. */
  'node.approved': authority(z.strictObject({ node: nodeId })),
  'node.renewed': authority(z.strictObject({ node: nodeId, notAfter: time })),
  'node.announced': authority(z.strictObject({ facts: nodeFactsSchema })),
  'node.left': authority(z.strictObject({})),
  'node.evicted': authority(
    z.strictObject({
      node: nodeId,
      /** Cuts what it pushed as well, not only what it decided. */
      compromised: z.boolean(),
      /** What of its feeds still counts; null: what the evicting node had seen. */
      frontier: frontier.nullable(),
      reason: line(200),
    }),
  ),
  'invite.created': authority(
    z.strictObject({
      invite: z.string().min(8).max(64),
      verifier: z.string().max(128),
      expiresAt: time,
      role: nodeRole,
      /** Tenants the node may write for; null: all. */
      scope: z.array(tenant).max(64).nullable(),
      /** Somebody else must approve before the node belongs. */
      approval: z.boolean(),
      /** Days a membership lasts unless renewed; null: for good. */
      days: z.number().int().min(1).max(3650).nullable(),
    }),
  ),
  'invite.withdrawn': authority(z.strictObject({ invite: z.string().min(8).max(64) })),
  /** A new key of the private wire, sealed to each member that stays. */
  'network.key-rotated': authority(
    z.strictObject({
      /** Names the key: the first 16 hexadecimal digits of its SHA-256. */
      key: z.string().regex(/^[0-9a-f]{16}$/),
      sealed: z.record(nodeId, bytes),
    }),
  ),
  /** What a lane amounted to at a frontier; the rows travel as the blob with that digest. */
  'lane.snapshotted': authority(
    z.strictObject({
      lane: z.string().max(80),
      /** Of the lane's feeds. */
      frontier,
      /** Of the authority feeds the rows were made under. */
      authority: frontier,
      stateHash: z.string().regex(/^[0-9a-f]{64}$/),
      digest,
      bytes: z.number().int().min(0),
    }),
  ),
  /** Another node found the same rows at the same frontier. */
  'lane.attested': authority(z.strictObject({ snapshot: id })),
} as const
