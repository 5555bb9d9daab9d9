import { Fault } from '../errors.ts'
import { REPOSITORY_NAME_BYTES_MAX } from '../limits.ts'

declare const checked: unique symbol

/** A repository name that went through `parseRepositoryName`: no `..`, no NUL, no upper case, no empty segment. */
export type RepositoryName = string & { readonly [checked]: 'repository-name' }

/**
 * One path segment (distribution-spec, "Pulling manifests"). Segment by segment, so that no input makes
 * the expression try its alternatives twice.
 */
const SEGMENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/

/**
 * The only way to a RepositoryName.
 * @throws Fault NAME_INVALID
 */
export function parseRepositoryName(text: string): RepositoryName {
  // The grammar admits ASCII only, so characters are bytes by the time the length counts.
  if (text.length <= REPOSITORY_NAME_BYTES_MAX && text.split('/').every((segment) => SEGMENT.test(segment))) {
    return text as RepositoryName
  }
  throw new Fault(
    'NAME_INVALID',
    `a repository name is at most ${REPOSITORY_NAME_BYTES_MAX} characters of lower-case letters and digits, ` +
      'separated by . _ __ or dashes, in segments separated by /',
    { name: printable(text) },
  )
}

/** Whether `text` is a repository name. */
export function isRepositoryName(text: string): text is RepositoryName {
  try {
    parseRepositoryName(text)
    return true
  } catch {
    return false
  }
}

/** What an error may show of a value that did not parse: bounded, without control characters. */
export function printable(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')
  return text.slice(0, 160).replaceAll(/\p{Cc}/gu, '\uFFFD')
}
