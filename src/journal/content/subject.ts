import type { Op } from '../op.ts'

/** What an op of the catalog is about, as its list says it: what of which repository. */
export interface Subject {
  readonly what: 'tag' | 'manifest' | 'blob'
  readonly projectId: string
  readonly path: string
  readonly tag: string | null
  readonly digest: string | null
}

/** Paths, tags and project ids hold neither `:` nor `@`. */
const SUBJECT = /^(tag|manifest|blob):([^/:@]+)\/([^:@]+)(?::([^:@]+))?(?:@(.+))?$/

/**
 * `tag:<repository key>:<tag>@<digest>` (without a digest where it was deleted), `manifest:<repository key>@<digest>`,
 * `blob:` likewise; null for what is none of the catalog's. A row of the list outlives the log, so it names it itself.
 */
export function subjectOf({ kind, body }: Pick<Op, 'kind' | 'body'>): string | null {
  const [what = ''] = kind.split('.')
  if (what !== 'tag' && what !== 'manifest' && what !== 'blob') return null
  const { projectId, path, tag, digest } = body as Partial<Subject>
  const named = `${what}:${projectId}/${path}${tag ? `:${tag}` : ''}`
  return digest ? `${named}@${digest}` : named
}

/** Undefined where the text is no such thing. */
export function parseSubject(text: string): Subject | undefined {
  const [, what, projectId, path, tag = null, digest = null] = SUBJECT.exec(text) ?? []
  if (projectId === undefined || path === undefined) return undefined
  return { what: what as Subject['what'], projectId, path, tag, digest }
}
