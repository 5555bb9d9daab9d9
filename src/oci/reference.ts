import { Fault } from '../errors.ts'
import { type Digest, parseDigest } from './digest.ts'
import { printable } from './name.ts'

declare const checked: unique symbol

/** A tag that went through `parseTag`. */
export type Tag = string & { readonly [checked]: 'tag' }

/** What a manifest is asked for by. */
export type Reference = { readonly digest: Digest } | { readonly tag: Tag }

const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/**
 * The only way to a Tag (distribution-spec, "Pulling manifests").
 * @throws Fault TAG_INVALID
 */
export function parseTag(text: string): Tag {
  if (TAG.test(text)) return text as Tag
  throw new Fault(
    'TAG_INVALID',
    'a tag is 1 to 128 letters, digits, underscores, periods and dashes, and starts with none of the last two',
    { tag: printable(text) },
  )
}

/**
 * A tag has no colon and a digest always has one, so a text can only be one of them.
 * @throws Fault DIGEST_INVALID, TAG_INVALID
 */
export function parseReference(text: string): Reference {
  return text.includes(':') ? { digest: parseDigest(text) } : { tag: parseTag(text) }
}
