import { hash } from 'node:crypto'

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** CID version 1, DAG-CBOR, SHA-256 of 32 bytes. */
const CID_PREFIX = Buffer.from('01711220', 'hex')
/** Multibase's letter for base58btc. */
const BASE58 = 'z'
const WORD = 0x1_0000_0000

/** The name OrbitDB gives a block: the CID of its bytes in base58. */
export function blockHash(block: Uint8Array): string {
  const cid = Buffer.concat([CID_PREFIX, hash('sha256', block, 'buffer')])
  // The first byte is never 0, so there are no leading zeros to be kept.
  const words = Array.from({ length: cid.length / 4 }, (_, index) => cid.readUInt32BE(index * 4))
  let text = ''
  for (let from = 0; from < words.length; ) {
    let rest = 0
    for (let index = from; index < words.length; index++) {
      const value = rest * WORD + (words[index] as number)
      words[index] = Math.floor(value / 58)
      rest = value % 58
    }
    text = ALPHABET.charAt(rest) + text
    while (from < words.length && words[from] === 0) from++
  }
  return BASE58 + text
}
