/** bencode 4.0.1 ships no types. */
declare module 'bencode' {
  const bencode: {
    decode(bytes: Uint8Array): unknown
    encode(value: unknown): Uint8Array
  }
  export default bencode
}
