/** RFC 4648 base32, lower case, unpadded: survives being read aloud, pasted and double-clicked. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'

export function toBase32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    for (; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31]
    held &= (1 << bits) - 1
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31] : text
}

/** @returns undefined where a character is not of the alphabet or the last one carries bits of nothing */
export function fromBase32(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const character of text.toLowerCase()) {
    const value = ALPHABET.indexOf(character)
    if (value < 0) return undefined
    held = (held << 5) | value
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes.push(held >> bits)
    }
    held &= (1 << bits) - 1
  }
  return held === 0 && bits < 5 ? Uint8Array.from(bytes) : undefined
}
