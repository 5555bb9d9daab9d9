export type Kind = 'uploads' | 'blobs' | 'manifests' | 'tags' | 'referrers'

/** What a path below /v2/ points at, before anything of it has been checked. */
export interface Target {
  readonly name: string
  readonly kind: Kind
  /** A digest, tag, upload id, `list`, or nothing. */
  readonly rest: string
}

/** Greedy, because a repository may be called `a/blobs/b`: the last such word is the one that is meant. */
const PATH = /^(.+)\/(blobs\/uploads|blobs|manifests|tags|referrers)\/([^/]*)$/s

/** @param path percent-decoded, without `/v2/` */
export function parsePath(path: string): Target | undefined {
  const match = PATH.exec(path)
  if (!match) return undefined
  const [, name = '', kind = '', rest = ''] = match
  // `POST …/blobs/uploads` without the slash at the end; no digest is called so.
  if (kind === 'blobs/uploads' || (kind === 'blobs' && rest === 'uploads')) {
    return { name, kind: 'uploads', rest: kind === 'blobs' ? '' : rest }
  }
  return { name, kind: kind as Kind, rest }
}
