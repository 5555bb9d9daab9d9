import { createPublicKey, verify } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { recoveryMessage } from '../../../src/journal/genesis.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { newRecoveryKey } from '../../../src/runtime/recovery-key.ts'
import { type Cli, commandLine } from './harness.ts'
import { CHALLENGE, type ManagementApi, managementApi } from './management-api.ts'

let cli: Cli
let api: ManagementApi

beforeEach(async () => {
  cli = commandLine()
  api = managementApi()
  await api.server.listen({ path: join(cli.dataDir, 'control.sock') })
})
afterEach(() => api.server.close())

describe('recover', () => {
  test('recovering sends a signature of what the node asked to be signed, and never the key', async () => {
    const { text, publicKey } = newRecoveryKey(systemRandom)
    const { code, out, err } = await cli.type('recover admin', { input: `${text}\nGeheim1234` })
    expect([code, err]).toEqual([0, ''])
    expect(JSON.stringify(api.changes) + out).not.toContain(text.slice(20, 40))
    const { signature } = (api.changes[1] as { body: { signature: string } }).body
    const { cluster, user, password_hash: passwordHash, epoch } = CHALLENGE
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') },
      format: 'jwk',
    })
    const message = recoveryMessage({ cluster, user, passwordHash, epoch })
    expect(verify(null, message, key, Buffer.from(signature, 'base64url'))).toBe(true)
    const slip = text.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))
    expect((await cli.type('recover admin', { input: `${slip}\nGeheim1234` })).err).toContain(
      'lost or changed',
    )
    expect((await cli.type('recover admin', { input: text })).code).toBe(2)
  })

  test('recovering is for the node of the data directory alone, and help offers no other', async () => {
    expect((await cli.type('recover --help')).out).not.toMatch(/--server|--username|--password-stdin/)
    const input = `${newRecoveryKey(systemRandom).text}\nGeheim1234`
    const { code, err } = await cli.type('recover admin --server http://127.0.0.1:1', { input })
    expect([code, err]).toEqual([2, expect.stringContaining('--server')])
    // Nor is it led astray by the environment.
    const environment = { FLOTILLA_SERVER: 'http://127.0.0.1:1' }
    expect((await cli.type('recover admin', { input, environment })).code).toBe(0)
  })
})
