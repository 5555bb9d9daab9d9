import type { Tables } from '../journal/journal.ts'
import { parseFeedId } from '../journal/op.ts'
import { inRepository, type TagRow } from '../journal/rows.ts'
import type { Loss } from './losses.ts'

/** Manifests that are looked for together; some 5 MB of names. */
const TOGETHER_MAX = 10_000
/** What looking one up among the tags costs, in rows read one after the other. */
const LOOKUP_ROWS = 10

/**
 * Tags that point at nothing, because the manifest they name was taken back with whoever had pushed it while somebody
 * else's word for the tag stands. They are found by the manifests taken back: repository by repository, by whichever
 * there are fewer of, these or tags.
 */
export class DanglingTags {
  readonly #tables: Tables
  readonly #budget: { left: number }
  /** By repository and digest, what took the manifest back. */
  readonly #missed = new Map<string, Map<string, Loss>>()
  #size = 0

  /** @param budget rows that may still be read */
  constructor(tables: Tables, budget: { left: number }) {
    this.#tables = tables
    this.#budget = budget
  }

  /** Notes what an op that does not count leaves missing. */
  note(taken: Loss): void {
    const { kind, subject } = taken
    if (kind !== 'manifest.put' || !subject?.digest) return
    const repository = `${subject.projectId}/${subject.path}`
    if (this.#tables.get('manifests', inRepository(repository, subject.digest))) return
    const missed = this.#missed.get(repository) ?? new Map<string, Loss>()
    this.#missed.set(repository, missed)
    if (!missed.has(subject.digest)) this.#size += 1
    missed.set(subject.digest, taken)
  }

  get isFull(): boolean {
    return this.#size >= TOGETHER_MAX
  }

  /** The tags that miss what was noted so far, which is forgotten. */
  async *found(): AsyncIterable<Loss> {
    for (const [repository, missed] of this.#missed) {
      const row = this.#tables.get('repositories', repository)
      const [projectId = ''] = repository.split('/', 1)
      if (!row || row.tags === 0 || this.#tables.get('projects', projectId)?.deleted !== false) continue
      const few = missed.size * LOOKUP_ROWS < row.tags
      yield* few ? this.#byManifest(repository, missed) : this.#byTag(repository, missed)
    }
    this.#missed.clear()
    this.#size = 0
  }

  async *#byManifest(repository: string, missed: ReadonlyMap<string, Loss>): AsyncIterable<Loss> {
    for (const [digest, taken] of missed) {
      this.#budget.left -= LOOKUP_ROWS
      if (this.#budget.left < 0) return
      const prefix = inRepository(repository, digest, '')
      for await (const { row } of this.#tables.list('tagged', { prefix })) {
        const tag = this.#tables.get('tags', inRepository(repository, row.tag))
        if (tag?.values[0]?.value === digest) yield* dangling(repository, tag, taken)
      }
    }
  }

  async *#byTag(repository: string, missed: ReadonlyMap<string, Loss>): AsyncIterable<Loss> {
    for await (const { row } of this.#tables.list('tags', { prefix: inRepository(repository, '') })) {
      if (this.#budget.left-- <= 0) return
      const taken = missed.get(row.values[0]?.value ?? '')
      if (taken) yield* dangling(repository, row, taken)
    }
  }
}

function* dangling(repository: string, { tag, values }: TagRow, { author, beatenBy }: Loss): Iterable<Loss> {
  const [named] = values
  if (!named) return
  const slash = repository.indexOf('/')
  const [projectId, path] = [repository.slice(0, slash), repository.slice(slash + 1)]
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
    subject: { what: 'tag', projectId, path, tag, digest: named.value },
    tag: { projectId, path, tag, key: inRepository(repository, tag), values },
    fields: [],
  }
}
