import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import { Fault } from '../errors.ts'
import { writeDurable } from '../runtime/durable-file.ts'

/** The key this node signs its registry tokens with; it serves nothing else and never leaves the node. */
export interface TokenKey {
  readonly privateKey: KeyObject
  /** base64url, JWK `x`: what the node's row in `nodes` publishes. */
  readonly publicKey: string
}

const MODE = 0o600

/**
 * Reads the key, or makes one where there is none yet.
 * @throws Fault TOKEN_KEY_UNREADABLE when the file is not an Ed25519 key of this user
 */
export async function openTokenKey(path: string): Promise<TokenKey> {
  const pem = await readPem(path)
  if (pem === undefined) {
    const { privateKey } = generateKeyPairSync('ed25519')
    await writeDurable(path, privateKey.export({ format: 'pem', type: 'pkcs8' }), MODE)
    return describe(privateKey)
  }
  try {
    const privateKey = createPrivateKey(pem)
    if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('not an Ed25519 key')
    // Volumes are handed over with their group's bits set; the key belongs to one user all the same.
    await chmod(path, MODE)
    return describe(privateKey)
  } catch (error) {
    throw new Fault('TOKEN_KEY_UNREADABLE', `${path} is not this node’s token key`, { path }, error)
  }
}

async function readPem(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Fault('TOKEN_KEY_UNREADABLE', `${path} cannot be read`, { path }, error)
  }
}

function describe(privateKey: KeyObject): TokenKey {
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  return { privateKey, publicKey: x as string }
}
