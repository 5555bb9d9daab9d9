import { hash } from 'node:crypto'
import { decode, encode } from 'cborg'
import type { KeyRotation } from '../../cluster/membership/key-rotation.ts'
import { firstKey, type NetworkKey } from '../../cluster/membership/network-keys.ts'
import { WIRE_KEY_BYTES } from '../../cluster/network/keyring.ts'
import { Fault } from '../../src/errors.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import type { SealKey } from '../../src/runtime/sealing.ts'
import type { SimNode } from './node.ts'

/** The product keeps its network keys in a file beside the records; a backup holds both. */
const KEYS_KEY = 'simulation/network-keys'
/** With which every cluster begins. */
export const FIRST_KEYS: readonly NetworkKey[] = [firstKey(new Uint8Array(WIRE_KEY_BYTES))]

export function keptKeys(store: Pick<KeyValue, 'get'>): readonly NetworkKey[] | undefined {
  const row = store.get(KEYS_KEY)
  return row && (decode(row) as NetworkKey[])
}

export function keepKeys(store: Pick<KeyValue, 'write'>, keys: readonly NetworkKey[]): Promise<void> {
  return store.write([{ type: 'put', key: KEYS_KEY, value: encode(keys) }])
}

export function publicSealKey(node: string): string {
  return hash('sha256', node, 'base64url')
}

/** Whoever holds the half can open it and nobody else, as far as honest code goes; the same bytes in every run. */
export function sealSimply(secret: Uint8Array, publicKey: string, about: string): Uint8Array {
  return encode({ for: publicKey, about, secret })
}

export function simSealKey(node: string): SealKey {
  const publicKey = publicSealKey(node)
  return {
    publicKey,
    open(sealed, about) {
      const { secret, ...words } = decode(sealed) as { for: string; about: string; secret: Uint8Array }
      if (words.for === publicKey && words.about === about) return secret
      throw new Fault('SEAL_INVALID', 'it was sealed to another, or about something else')
    },
  }
}

/** Of members that have come together: that they dial with one key, or some would find no door open in the end. */
export function disagreeingKeys(nodes: readonly SimNode[]): string | undefined {
  const [first, ...rest] = nodes.flatMap(({ name, up }) => (up ? [{ name, key: inUse(up.rotation) }] : []))
  const other = rest.find(({ key }) => key !== first?.key)
  return other && first && `${first.name} dials with ${first.key}, ${other.name} with ${other.key}`
}

function inUse(rotation: KeyRotation): string | undefined {
  return rotation.live()[0]?.name
}
