import { createHash } from 'node:crypto'
import { decode, encode } from 'cborg'
import { z } from 'zod'
import { Fault } from '../errors.ts'
import { op } from './kinds.ts'
import type { NewOp } from './op.ts'
import type { NodeFacts } from './rows.ts'

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)

const genesisSchema = z.strictObject({
  name: z.string().min(1).max(100),
  founder: z.string().min(20).max(100),
  /** 32 random bytes: two clusters of the same name and founder are still two. */
  nonce: bytes,
  time: z.number().int().min(0),
  /** Ed25519 public key, 32 bytes, of the recovery key shown once when the cluster was made. */
  recovery: bytes.refine((key) => key.length === 32, 'a key has 32 bytes'),
})

export type Genesis = z.infer<typeof genesisSchema>

export function writeGenesis(genesis: Genesis): Uint8Array {
  return encode(genesis)
}

/** @throws Fault GENESIS_INVALID */
export function readGenesis(bytes: Uint8Array): Genesis {
  try {
    return genesisSchema.parse(decode(bytes))
  } catch (error) {
    throw new Fault('GENESIS_INVALID', 'the bytes are no genesis', {}, error)
  }
}

/** A cluster's id is the SHA-256 of its genesis, in hexadecimal. */
export function clusterIdOf(genesis: Uint8Array): string {
  return createHash('sha256').update(genesis).digest('hex')
}

/** What the recovery key signs: the account it gives back, and nothing that could serve another cluster. */
export function recoveryMessage(recovery: {
  cluster: string
  user: string
  passwordHash: string
  epoch: number
}): Uint8Array {
  const { cluster, user, passwordHash, epoch } = recovery
  return encode(['flotilla recovery 1', cluster, user, passwordHash, epoch])
}

/** The first ops of a cluster: the genesis, and the founder's own admission. */
export function foundingOps(genesis: Uint8Array, founder: string, facts: NodeFacts): NewOp[] {
  return [
    op('cluster.founded', { genesis }, 'node'),
    op(
      'node.admitted',
      {
        node: founder,
        facts: { ...facts, addresses: [...facts.addresses], swarm: [...facts.swarm] },
        invite: null,
        notAfter: null,
      },
      'node',
    ),
  ]
}
