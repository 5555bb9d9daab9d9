import type { OpId } from '../op.ts'
import type { Register, Sibling } from './registers.ts'

export interface RepositoryRow {
  /** `<project id>/<path below the project>` */
  readonly key: string
  readonly created: {
    readonly id: OpId
    readonly depth: number
    readonly time: number
    readonly actor: string
  }
  readonly updatedAt: number
  readonly manifests: number
  readonly tags: number
}

export interface LinkRow {
  readonly size: number
  /** Live links, add-wins, each with the size it was made with; the first says what counts. */
  readonly links: Register<number>
}

/** What the catalog keeps of a manifest beside its bytes. */
export interface ManifestFacts {
  readonly mediaType: string
  readonly size: number
  readonly artifactType: string | null
  readonly subject: string | null
  readonly annotations: Readonly<Record<string, string>>
  /** Digests of config, layers and children that this repository holds for it. */
  readonly references: readonly string[]
}

export interface ManifestRow {
  readonly digest: string
  /** Live pushes, add-wins; the first is the one to read. */
  readonly puts: Register<ManifestFacts>
}

export interface TagRow {
  readonly tag: string
  /** Live values; the first is what the tag means, the others are conflicts to be shown. */
  readonly values: Register<string>
  /** Everything done to it, where its project has rules on tags. */
  readonly ops?: readonly TagOp[]
}

export interface TagOp extends Sibling<string | null> {
  readonly author: string
  /** Ops of this tag its author had seen. */
  readonly saw: readonly OpId[]
  /** Rules of the project its author had seen. */
  readonly sawRules: readonly OpId[]
}
