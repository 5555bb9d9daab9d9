import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import { peerIdFromString } from '@libp2p/peer-id'
import type { LogIdentities, LogIdentity } from '@orbitdb/core'
import { LRUCache } from 'lru-cache'
import { Fault } from '../../src/errors.ts'
import type { Identity } from '../network/identity.ts'
import type { NodeId } from '../network/network.ts'

/** Keys of the last authors met; a member can name strangers, so it is bounded. */
const AUTHORS_REMEMBERED_MAX = 1000
const SIGNATURE = /^[0-9a-f]{128}$/

interface AuthorKey {
  readonly hex: string
  readonly key: KeyObject
}

const authors = new LRUCache<NodeId, AuthorKey>({ max: AUTHORS_REMEMBERED_MAX })
/** Off the main thread: a newcomer checks tens of thousands. */
const verifyInPool = promisify(verify) as (
  algorithm: null,
  data: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
) => Promise<boolean>

/**
 * OrbitDB's `key` of an author: its Ed25519 public key in hexadecimal. A peer id is that key, so nothing
 * has to be fetched and no entry can bring a key of its own.
 * @throws Fault AUTHOR_INVALID when the text is no Ed25519 peer id
 */
export function publicKeyOf(author: NodeId): string {
  return authorKey(author).hex
}

function authorKey(author: NodeId): AuthorKey {
  const known = authors.get(author)
  if (known) return known
  try {
    const peerId = peerIdFromString(author)
    if (peerId.type !== 'Ed25519' || peerId.toString() !== author) throw new Error('not an Ed25519 peer id')
    const { raw } = peerId.publicKey
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(raw).toString('base64url') }
    const found = {
      hex: Buffer.from(raw).toString('hex'),
      key: createPublicKey({ key: jwk, format: 'jwk' }),
    }
    authors.set(author, found)
    return found
  } catch (error) {
    throw new Fault('AUTHOR_INVALID', 'the author is no Ed25519 peer id', { author }, error)
  }
}

/** OrbitDB's identity of this node: it signs with the node's libp2p key, and its hash is the peer id. */
export function orbitIdentity({ id, signingKey }: Pick<Identity, 'id' | 'signingKey'>): LogIdentity {
  return {
    id,
    publicKey: publicKeyOf(id),
    hash: id,
    sign: async (_identity, data) => sign(null, data, signingKey).toString('hex'),
    ...verifierOf(id),
  }
}

/** What OrbitDB verifies an author's entries with: that author's key and no other. */
export function verifierOf(author: NodeId): LogIdentities {
  const { hex, key } = authorKey(author)
  return {
    async verify(signature, claimed, data) {
      if (claimed !== hex || !SIGNATURE.test(signature)) return false
      return verifyInPool(null, data, key, Buffer.from(signature, 'hex'))
    },
  }
}
