import { randomBytes } from 'node:crypto'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSealKey, seal } from '../../../src/runtime/sealing.ts'
import { temporaryFolder } from '../../support/temporary.ts'

test('what is sealed to a node opens there, about the same thing, and nowhere else', async () => {
  const folder = temporaryFolder('seal')
  const [own, other] = [await openSealKey(join(folder, 'a')), await openSealKey(join(folder, 'b'))]
  const secret = Uint8Array.from(randomBytes(32))
  const sealed = seal(secret, own.publicKey, 'a key')
  expect(own.open(sealed, 'a key')).toEqual(secret)
  const invalid = expect.objectContaining({ code: 'SEAL_INVALID' })
  expect(() => own.open(sealed, 'another key')).toThrow(invalid)
  expect(() => other.open(sealed, 'a key')).toThrow(invalid)
  for (let at = 0; at < sealed.length; at++) {
    const changed = Uint8Array.from(sealed)
    changed[at] = (changed[at] as number) ^ 1
    expect(() => own.open(changed, 'a key')).toThrow(invalid)
  }
  for (const short of [0, 1, 33, 48])
    expect(() => own.open(sealed.subarray(0, short), 'a key')).toThrow(invalid)
  expect(seal(secret, own.publicKey, 'a key')).not.toEqual(sealed)
})

test('the key is the same after a restart, and only its owner may read it', async () => {
  const path = join(temporaryFolder('seal'), 'seal.key')
  const { publicKey } = await openSealKey(path)
  expect((await openSealKey(path)).publicKey).toBe(publicKey)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  await writeFile(path, 'no key')
  await expect(openSealKey(path)).rejects.toMatchObject({ code: 'SEAL_KEY_UNREADABLE' })
})

test('nothing is sealed to a point that would give the secret away', () => {
  const zero = Buffer.alloc(32).toString('base64url')
  for (const key of [zero, 'short', ''])
    expect(() => seal(new Uint8Array(32), key, 'a key')).toThrow(
      expect.objectContaining({ code: 'SEAL_KEY_INVALID' }),
    )
})
