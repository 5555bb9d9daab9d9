import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { Fault } from '../../src/errors.ts'
import { writeDurable } from '../../src/runtime/durable-file.ts'
import type { NodeId } from './network.ts'

/** Who this node is: one Ed25519 key, as libp2p wants it and as node:crypto signs fastest with it. */
export interface Identity {
  readonly id: NodeId
  readonly privateKey: Ed25519PrivateKey
  readonly signingKey: KeyObject
}

/**
 * Reads the node's identity, an Ed25519 key as PKCS#8 PEM.
 * @throws Fault IDENTITY_MISSING, IDENTITY_EXPOSED, IDENTITY_INVALID
 */
export async function loadIdentity(path: string): Promise<Identity> {
  const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT')
      throw new Fault('IDENTITY_MISSING', `there is no node identity at ${path}`, { path }, error)
    throw new Fault('IDENTITY_INVALID', `the node identity at ${path} cannot be read`, { path }, error)
  })
  // Group access stays allowed: Kubernetes mounts secrets that way.
  if (((await stat(path)).mode & 0o007) !== 0)
    throw new Fault('IDENTITY_EXPOSED', `anybody can reach the node's key; run: chmod 600 ${path}`, { path })
  try {
    return identityOf(createPrivateKey(pem))
  } catch (error) {
    throw new Fault('IDENTITY_INVALID', `the file at ${path} is no Ed25519 private key`, { path }, error)
  }
}

/** Makes a new identity at `path`, durable and 0600 before it is returned. @throws Fault IDENTITY_EXISTS */
export async function createIdentity(path: string): Promise<Identity> {
  if (await stat(path).catch(() => undefined))
    throw new Fault('IDENTITY_EXISTS', `a node identity is already at ${path}`, { path })
  const { privateKey } = generateKeyPairSync('ed25519')
  await writeDurable(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600)
  return identityOf(privateKey)
}

/** The identity at `path`, made first where there is none. */
export async function loadOrCreateIdentity(path: string): Promise<Identity> {
  try {
    return await loadIdentity(path)
  } catch (error) {
    if (error instanceof Fault && error.code === 'IDENTITY_MISSING') return createIdentity(path)
    throw error
  }
}

function identityOf(signingKey: KeyObject): Identity {
  const { crv, d, x } = signingKey.export({ format: 'jwk' })
  if (crv !== 'Ed25519' || !d || !x) throw new Fault('IDENTITY_INVALID', 'the key is not an Ed25519 key')
  const raw = Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')])
  const privateKey = privateKeyFromRaw(raw)
  if (privateKey.type !== 'Ed25519') throw new Fault('IDENTITY_INVALID', 'the key is not an Ed25519 key')
  return { id: peerIdFromPrivateKey(privateKey).toString(), privateKey, signingKey }
}
