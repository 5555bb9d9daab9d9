import type { Tables } from '../journal/journal.ts'
import { parseFeedId } from '../journal/op.ts'
import { inRepository } from '../journal/rows.ts'
import type { Loss } from './losses.ts'

/**
 * Tags that point at nothing, because the manifest they name was taken back with whoever had pushed it while somebody
 * else's word for the tag stands. They are found by the manifests taken back, of which there are few.
 */
export class DanglingTags {
  readonly #tables: Tables
  /** Manifests that were seen to be missed: the same may have been pushed, and taken back, many times. */
  readonly #missed = new Set<string>()

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /** @param taken an op that does not count, of whatever kind */
  async *missing(taken: Loss): AsyncIterable<Loss> {
    const { kind, subject, author, beatenBy } = taken
    if (kind !== 'manifest.put' || !subject?.digest) return
    const { projectId, path, digest } = subject
    const repository = `${projectId}/${path}`
    const manifest = inRepository(repository, digest)
    if (this.#missed.has(manifest) || this.#tables.get('manifests', manifest)) return
    if (this.#tables.get('projects', projectId)?.deleted !== false) return
    for await (const { row } of this.#tables.list('tagged', { prefix: inRepository(manifest, '') })) {
      this.#missed.add(manifest)
      const key = inRepository(repository, row.tag)
      const values = this.#tables.get('tags', key)?.values ?? []
      const [named] = values
      if (named?.value !== digest) continue
      yield {
        id: named.id,
        kind: 'tag.moved',
        actor: named.actor,
        author: parseFeedId(named.dot.feed).author,
        time: named.time,
        outcome: 'lost',
        reason: 'dangling',
        // Where what took the manifest back is to be found.
        entity: `node:${author}`,
        beatenBy,
        projectId,
        listed: null,
        subject: { what: 'tag', projectId, path, tag: row.tag, digest },
        tag: { projectId, path, tag: row.tag, key, values },
        fields: [],
      }
    }
  }
}
