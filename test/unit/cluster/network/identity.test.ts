import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { chmod, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createIdentity, loadIdentity, loadOrCreateIdentity } from '../../../../cluster/network/identity.ts'
import { temporary } from './cast.ts'

test('an identity is the same after it was read back, and only its owner can read it', async () => {
  const path = join(await temporary(), 'identity.pem')
  const made = await loadOrCreateIdentity(path)
  const read = await loadOrCreateIdentity(path)
  expect(read.id).toBe(made.id)
  expect(read.id).toMatch(/^12D3KooW/)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(path, '..'))).toEqual(['identity.pem'])
})

test('what the signing key signs, the libp2p key verifies', async () => {
  const { privateKey, signingKey } = await createIdentity(join(await temporary(), 'identity.pem'))
  const text = Buffer.from('an entry')
  expect(await privateKey.publicKey.verify(text, sign(null, text, signingKey))).toBe(true)
  expect(verify(null, text, signingKey, await privateKey.sign(text))).toBe(true)
})

test('two identities differ', async () => {
  const directory = await temporary()
  const [a, b] = [await createIdentity(join(directory, 'a')), await createIdentity(join(directory, 'b'))]
  expect(a.id).not.toBe(b.id)
})

test('an identity is never overwritten', async () => {
  const path = join(await temporary(), 'identity.pem')
  const { id } = await createIdentity(path)
  await expect(createIdentity(path)).rejects.toMatchObject({ code: 'IDENTITY_EXISTS' })
  expect((await loadIdentity(path)).id).toBe(id)
})

test('a missing, broken, foreign or exposed key file is each refused by its own name', async () => {
  const directory = await temporary()
  const at = (name: string) => join(directory, name)
  await expect(loadIdentity(at('none'))).rejects.toMatchObject({ code: 'IDENTITY_MISSING' })
  await writeFile(at('broken'), 'not a key', { mode: 0o600 })
  await expect(loadIdentity(at('broken'))).rejects.toMatchObject({ code: 'IDENTITY_INVALID' })
  const { privateKey } = generateKeyPairSync('x25519')
  await writeFile(at('foreign'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await expect(loadIdentity(at('foreign'))).rejects.toMatchObject({ code: 'IDENTITY_INVALID' })
  await createIdentity(at('exposed'))
  await chmod(at('exposed'), 0o644)
  await expect(loadIdentity(at('exposed'))).rejects.toMatchObject({ code: 'IDENTITY_EXPOSED' })
})
