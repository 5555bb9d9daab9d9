import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { describe, expect, it } from 'vitest'
import { certificateOf, nodeOf } from '../../../../cluster/swarm/certificate.ts'

/** A self-signed certificate of an ECDSA key, made once with openssl. */
const ECDSA = `-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUeO+csE2EzcftQCFcm5NvupY6VMUwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMjMxNDM2NDVaGA8yMTI2MTAzMDE0MzY0NVow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKZloSB4XR90
/WwFHLLmAOAbwctGp6iRQpKVuvSRZpo0qU/5WRoyRY/4hFJvXdRS/jlhSTXlZGd/
vFDD6N5YE2yjUzBRMB0GA1UdDgQWBBTx9PSukBmjZleDKkJGj9roPAgfsTAfBgNV
HSMEGDAWgBTx9PSukBmjZleDKkJGj9roPAgfsTAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIBf+oeW5ys2qMBxwoIzh34ISoT73yB7Aup6Y5B8DgIck
AiEAzBIvalZCtm6hjT2eeA6lTbBYgdbO+/k7NCufk5xX6ps=
-----END CERTIFICATE-----`

describe('the certificate of a node', () => {
  it('carries the node id as its key and is signed with it', async () => {
    const identity = await generateKeyPair('Ed25519')
    const certificate = new X509Certificate(certificateOf(identity).cert)
    expect(nodeOf(certificate)).toBe(peerIdFromPrivateKey(identity).toString())
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.verify(generateKeyPairSync('ed25519').publicKey)).toBe(false)
  })

  it('is the same at every start', async () => {
    const identity = await generateKeyPair('Ed25519')
    expect(certificateOf(identity)).toEqual(certificateOf(identity))
  })

  it('names nobody when its key is of another kind', () => {
    expect(nodeOf(new X509Certificate(ECDSA))).toBeUndefined()
  })
})
