import { createHash, createPrivateKey, sign, X509Certificate } from 'node:crypto'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import type { NodeId } from '../network/network.ts'

/** PEM texts for a TLS socket. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

const SEQUENCE = 0x30
const SET = 0x31
const INTEGER = 0x02
const BIT_STRING = 0x03
const OBJECT_IDENTIFIER = 0x06
const UTF8_STRING = 0x0c
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const VERSION = 0xa0

const ED25519 = der(SEQUENCE, der(OBJECT_IDENTIFIER, Buffer.from('2b6570', 'hex')))
const COMMON_NAME = der(OBJECT_IDENTIFIER, Buffer.from('550403', 'hex'))
const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_HEADER = Buffer.from('302a300506032b6570032100', 'hex')
const FROM_ALWAYS = der(UTC_TIME, Buffer.from('000101000000Z'))
const FOR_EVER = der(GENERALIZED_TIME, Buffer.from('99991231235959Z'))

/**
 * A self-signed X.509 certificate whose key is the node's own libp2p key: whoever presents it in TLS 1.3
 * has signed the handshake with that key, so the certificate's key names the node. Its dates say nothing
 * on purpose; who may connect is the roster's business. The same key always gives the same bytes.
 */
export function certificateOf(identity: Ed25519PrivateKey): Certificate {
  const seed = identity.raw.subarray(0, 32)
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = identity.publicKey.raw
  const node = peerIdFromPublicKey(identity.publicKey).toString()
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from(node)))))
  // A leading 0x01 keeps the number positive and of one length.
  const serial = Buffer.concat([Buffer.from([1]), createHash('sha256').update(publicKey).digest()]).subarray(
    0,
    16,
  )
  const body = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, serial),
    ED25519,
    name,
    der(SEQUENCE, FROM_ALWAYS, FOR_EVER),
    name,
    SPKI_HEADER,
    publicKey,
  )
  const signature = der(BIT_STRING, Buffer.from([0]), sign(null, body, key))
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: new X509Certificate(der(SEQUENCE, body, ED25519, signature)).toString(),
  }
}

/** The node whose Ed25519 key this certificate carries; undefined for any other kind of key. */
export function nodeOf(certificate: X509Certificate): NodeId | undefined {
  const key = certificate.publicKey
  if (key.asymmetricKeyType !== 'ed25519') return undefined
  const raw = key.export({ type: 'spki', format: 'der' }).subarray(SPKI_HEADER.length)
  const publicKey = publicKeyFromRaw(raw)
  return publicKey.type === 'Ed25519' ? peerIdFromPublicKey(publicKey).toString() : undefined
}

function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const length =
    content.length < 0x80
      ? [content.length]
      : content.length < 0x100
        ? [0x81, content.length]
        : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}
