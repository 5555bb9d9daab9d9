import { Fault } from '../errors.ts'

declare const checked: unique symbol

/** A digest that went through `parseDigest`: safe in a path, right length for its algorithm. */
export type Digest = string & { readonly [checked]: 'digest' }

export type DigestAlgorithm = 'sha256' | 'sha512'

const HEX_LENGTH: Record<DigestAlgorithm, number> = { sha256: 64, sha512: 128 }

/**
 * The only way to a Digest (image-spec, descriptor.md#digests; strict lengths against CVE-2024-3727).
 * @throws Fault DIGEST_INVALID
 */
export function parseDigest(text: string): Digest {
  const match = /^(sha256|sha512):([a-f0-9]+)$/.exec(text)
  if (match && match[2]?.length === HEX_LENGTH[match[1] as DigestAlgorithm]) return text as Digest
  throw new Fault('DIGEST_INVALID', 'a digest is sha256: or sha512: and its lower-case hexadecimal hash', {
    digest: text.slice(0, 160),
  })
}

/** Whether `text` has the form of a digest of a supported algorithm. */
export function isDigest(text: string): text is Digest {
  try {
    parseDigest(text)
    return true
  } catch {
    return false
  }
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512'
}

/** The hash without its algorithm, lower-case hexadecimal. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}
