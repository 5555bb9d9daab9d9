import { z } from 'zod'
import { nodeFactsSchema } from '../../src/journal/kinds.ts'
import type { InviteRow, NodeFacts } from '../../src/journal/rows.ts'
import { WIRE_KEY_BYTES } from '../network/keyring.ts'
import type { NodeId } from '../network/network.ts'

/**
 * Joining, one question and one answer on a channel, over a connection made with the invite's key on
 * which Noise has proved both peer ids:
 *
 *   joiner   {version, inviteId, clusterId, proof, facts}
 *   desk     {ok: true, admission} | {ok: false, code, message}
 */
export const ADMISSION_PROTOCOL = '/flotilla/admission/1'

/** An invite as the journal's table holds it. */
export type InviteRecord = InviteRow

/** What the joiner takes home; nothing of it is written before all of it was checked. */
export interface AdmissionPackage {
  readonly clusterId: string
  readonly clusterName: string
  /** Its SHA-256 is the cluster id. */
  readonly genesis: Uint8Array
  /** The key of the cluster's private wire. */
  readonly networkKey: Uint8Array
  /** Whom to connect to first; the journal then tells the rest. */
  readonly members: readonly Acquaintance[]
}

/** A member as a newcomer is told of it. */
export interface Acquaintance {
  readonly id: NodeId
  readonly name: string
  readonly site: string
  readonly addresses: readonly string[]
  readonly swarm: readonly string[]
  readonly url: string | null
}

export interface AdmissionRequest {
  readonly version: 1
  readonly inviteId: string
  readonly clusterId: string
  readonly proof: Uint8Array
  readonly facts: NodeFacts
}

export type AdmissionAnswer =
  | { readonly ok: true; readonly admission: AdmissionPackage }
  | { readonly ok: false; readonly code: string; readonly message: string }

/** The journal, as the desk needs it. */
export interface AdmissionLedger {
  /** Invites of this node that are neither redeemed nor expired. */
  openInvites(): InviteRecord[]
  /**
   * Commits `invite.redeemed` and `node.admitted` in one serialized step and answers once both are durable.
   * The only judge of "once": of many calls for one invite at most one node is admitted. Called again for
   * the node it admitted, it answers with the package again and commits nothing: the first answer was lost.
   * @throws Fault INVITE_USED, INVITE_UNKNOWN, NODE_EVICTED or what else the joiner should hear
   */
  admit(inviteId: string, node: NodeId, facts: NodeFacts): Promise<AdmissionPackage>
}

const nodeId = z.string().min(20).max(100)
const bytes = (min: number, max: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length >= min && value.length <= max)

export const requestSchema = z.strictObject({
  version: z.literal(1),
  inviteId: z.string().max(64),
  clusterId: z.string().max(128),
  proof: bytes(32, 32),
  facts: nodeFactsSchema,
})

const packageSchema = z.strictObject({
  clusterId: z.string().max(128),
  clusterName: z.string().max(100),
  genesis: bytes(1, 64 * 1024),
  networkKey: bytes(WIRE_KEY_BYTES, WIRE_KEY_BYTES),
  members: z
    .array(
      z.strictObject({
        id: nodeId,
        name: z.string().max(63),
        site: z.string().max(63),
        addresses: z.array(z.string().max(300)).max(16),
        swarm: z.array(z.string().max(300)).max(16),
        url: z.string().max(300).nullable(),
      }),
    )
    .max(10_000),
})

export const answerSchema = z.discriminatedUnion('ok', [
  z.strictObject({ ok: z.literal(true), admission: packageSchema }),
  z.strictObject({
    ok: z.literal(false),
    code: z.string().regex(/^[A-Z][A-Z_]{2,60}$/),
    message: z.string().max(500),
  }),
])
