import { decode } from 'cborg'
import type { Entry } from '../../src/journal/op.ts'
import type { Identity } from '../network/identity.ts'
import type { BlockFormat } from './block-format.ts'
import { blockHash } from './block-hash.ts'
import { OrbitFeedLog } from './orbit-log.ts'
import { readBlock } from './signed-entry.ts'

/** Blocks as OrbitDB makes them, signed with the node's own key: the only form there is outside a simulation. */
export function orbitFormat(identity: Pick<Identity, 'id' | 'signingKey'>): BlockFormat {
  return {
    ownLog: (parts) => new OrbitFeedLog({ ...parts, identity }),
    read: readBlock,
    hashOf: blockHash,
    nextOf: (block) => (decode(block) as { next: string[] }).next[0],
    entryOf: (block) => decode((decode(block) as { payload: Uint8Array }).payload) as Entry,
  }
}
