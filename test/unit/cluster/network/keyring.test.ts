import { randomBytes } from 'node:crypto'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { xsalsa20 } from '@noble/ciphers/salsa.js'
import { expect, test } from 'vitest'
import { Keyring, type WireKeys } from '../../../../cluster/network/keyring.ts'
import { KeyringProtector } from '../../../../cluster/network/keyring-protector.ts'
import { XorStream } from '../../../../cluster/network/xor-stream.ts'
import { systemRandom } from '../../../../src/runtime/random.ts'
import { networkKey } from './cast.ts'

const GREETING = Buffer.from('\u0013/multistream/1.0.0\n')

/** Both ends of a connection being protected, and what the dialler says first once it is. */
async function handshake(dialler: WireKeys, listener: WireKeys) {
  const [near, far] = multiaddrConnectionPair()
  const diallerSide = new KeyringProtector(dialler, systemRandom)
  const listenerSide = new KeyringProtector(listener, systemRandom)
  const protecting = listenerSide.protect(far)
  const outbound = await diallerSide.protect(near)
  outbound.send(GREETING)
  outbound.send(Buffer.from('and more'))
  const inbound = await protecting
  const read: Buffer[] = []
  inbound.addEventListener('message', ({ data }) => read.push(Buffer.from(data.subarray())))
  await expect.poll(() => Buffer.concat(read).toString()).toBe(`${GREETING.toString()}and more`)
  return { dialled: diallerSide.keyOf(near), accepted: listenerSide.keyOf(far) }
}

test('a stream enciphered in pieces of any size equals the cipher run once', () => {
  const [key, nonce, text] = [randomBytes(32), randomBytes(24), randomBytes(5_000)]
  for (const sizes of [[1], [63], [64], [65], [20, 1_000, 7]]) {
    const stream = new XorStream(key, nonce)
    const parts: Uint8Array[] = []
    for (let at = 0, n = 0; at < text.length; n++) {
      const size = sizes[n % sizes.length] ?? 1
      parts.push(stream.update(text.subarray(at, at + size)))
      at += size
    }
    expect(Buffer.compare(Buffer.concat(parts), xsalsa20(key, nonce, text))).toBe(0)
  }
})

test('a listener knows which of its keys a dialler used', async () => {
  const [network, next, invite] = [networkKey(), networkKey(), networkKey()]
  const listener = new Keyring(network, next)
  listener.addInvite('i7', invite)
  const with_ = (key: Uint8Array, id: 'network' | `invite:${string}`) => ({
    outbound: () => ({ id, key }),
    inbound: () => [],
  })
  expect(await handshake(with_(network, 'network'), listener)).toEqual({
    dialled: 'network',
    accepted: 'network',
  })
  expect(await handshake(with_(next, 'network'), listener)).toMatchObject({ accepted: 'network' })
  expect(await handshake(with_(invite, 'invite:i7'), listener)).toMatchObject({ accepted: 'invite:i7' })
})

test('a dialler with none of the keys is refused after its first bytes', async () => {
  await expect(handshake(new Keyring(networkKey()), new Keyring(networkKey()))).rejects.toMatchObject({
    code: 'WIRE_KEY_UNKNOWN',
  })
})

test('while the key is changed each node can dial every other, the one that has not heard of it too', async () => {
  const [old, fresh] = [networkKey(), networkKey()]
  const [ahead, behind] = [new Keyring(old), new Keyring(old)]
  ahead.replace([fresh, old])
  await handshake(behind, ahead)
  await expect(handshake(ahead, behind)).rejects.toMatchObject({ code: 'WIRE_KEY_UNKNOWN' })
  behind.replace([fresh, old])
  await handshake(ahead, behind)
  ahead.replace([fresh])
  await handshake(behind, ahead)
  await expect(handshake(new Keyring(old), ahead)).rejects.toMatchObject({ code: 'WIRE_KEY_UNKNOWN' })
})

test('a peer that hangs up on a key is dialled with the one before it, until all were tried', () => {
  const [first, second, third] = [networkKey(), networkKey(), networkKey()]
  const keyring = new Keyring(third, second, first)
  const used = (peer?: string) =>
    [third, second, first].findIndex((key) =>
      key.every((byte, at) => byte === keyring.outbound(peer).key[at]),
    )
  expect(used('away')).toBe(0)
  expect(keyring.refused('away')).toBe(true)
  expect([used('away'), used('here'), used()]).toEqual([1, 0, 0])
  expect([keyring.refused('away'), used('away')]).toEqual([true, 2])
  expect([keyring.refused('away'), used('away')]).toEqual([false, 0])
  keyring.refused('away')
  keyring.replace([third, second])
  expect(used('away')).toBe(0)
})

test('a keyring is never empty, nor holds a key of a wrong length', () => {
  const keyring = new Keyring(networkKey())
  expect(() => keyring.replace([])).toThrow(expect.objectContaining({ code: 'KEYRING_EMPTY' }))
  expect(() => keyring.replace([new Uint8Array(31)])).toThrow(
    expect.objectContaining({ code: 'KEYRING_KEY_INVALID' }),
  )
})
