import { z } from 'zod'
import { nodeFactsSchema } from '../../src/journal/kinds.ts'
import type { InviteRow, NodeFacts } from '../../src/journal/rows.ts'
import { WIRE_KEY_BYTES } from '../network/keyring.ts'
import type { NodeId } from '../network/network.ts'
import type { KeyRank } from './network-keys.ts'

/** Rotations within one window; more is an attack on whoever joins. */
const NETWORK_KEYS_MAX = 64

/**
 * Joining, one question and one answer on a channel, over a connection made with the invite's key on
 * which Noise has proved both peer ids:
 *
 *   joiner   {version, inviteId, clusterId, proof, facts}
 *   desk     {ok: true, admission} | {ok: 'pending', clusterName} | {ok: false, code, message}
 *
 * `pending`: admitted, and waiting for a second consent. The joiner asks again later, by the same invite.
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
  /** The keys of the cluster's private wire, the one in use first. */
  readonly networkKeys: readonly TravellingKey[]
  /** Whom to connect to first; the journal then tells the rest. */
  readonly members: readonly Acquaintance[]
}

/** A network key as it stands at the desk; what is left of its window is told in milliseconds, for clocks differ. */
export interface TravellingKey {
  readonly key: Uint8Array
  readonly rank: KeyRank | null
  readonly leftMs: number | null
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
  | { readonly ok: 'pending'; readonly clusterName: string }
  | { readonly ok: false; readonly code: string; readonly message: string }

/** The journal, as the desk needs it. */
export interface AdmissionLedger {
  /** Invites of this node that are neither redeemed nor expired. */
  openInvites(): InviteRecord[]
  /**
   * Commits the admission, which uses the invite up, and answers once it is durable.
   * The only judge of "once": of many calls for one invite at most one node is admitted. Called again for
   * the node it admitted, it answers with the package again and commits nothing: the first answer was lost.
   * @returns `pending` while a second consent is missing: nothing of the cluster is told before
   * @throws Fault INVITE_USED, INVITE_UNKNOWN, NODE_EVICTED or what else the joiner should hear
   */
  admit(inviteId: string, node: NodeId, facts: NodeFacts): Promise<AdmissionPackage | 'pending'>
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
  networkKeys: z
    .array(
      z.strictObject({
        key: bytes(WIRE_KEY_BYTES, WIRE_KEY_BYTES),
        rank: z.strictObject({ depth: z.number(), id: z.string().max(64) }).nullable(),
        leftMs: z.number().min(0).nullable(),
      }),
    )
    .min(1)
    .max(NETWORK_KEYS_MAX),
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
  z.strictObject({ ok: z.literal('pending'), clusterName: z.string().max(100) }),
  z.strictObject({
    ok: z.literal(false),
    code: z.string().regex(/^[A-Z][A-Z_]{2,60}$/),
    message: z.string().max(500),
  }),
])
