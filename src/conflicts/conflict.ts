import type { OpId } from '../journal/op.ts'
import type { Reason, RoleId } from '../journal/rows.ts'

/** Something that did not stay as it was said, with all a person needs to judge it. */
export interface Conflict {
  /** The op that lost. */
  readonly id: OpId
  readonly kind: string
  readonly about: About
  /** Of what is in a repository: which, and what of it, as far as the op says. */
  readonly image: Image | null
  /** The project it belongs to, by the name it has now; null where it belongs to none. */
  readonly project: string | null
  readonly reason: LossReason
  /** The reason in words. */
  readonly text: string
  /** `refused`: it never counted; `lost`: something else said at the same time counts. */
  readonly outcome: 'refused' | 'lost'
  readonly deed: Deed
  /** What it gave way to, and of an eviction why; null where nothing did, or that is not known here. */
  readonly beatenBy: (Deed & { readonly why?: string }) | null
  /** Of a tag: everything it was set to, what counts first. */
  readonly values: readonly (Deed & { readonly digest: string })[]
  /** Of a user, project or link: what it filled in, and everything that field was filled in with, what counts first. */
  readonly fields: readonly {
    readonly field: string
    readonly values: readonly (Deed & { readonly value: string })[]
  }[]
  readonly remedy: Remedy
}

/**
 * `tag`: it was moved at another site at the same time, and there further; `field`: it was filled in there with
 * something else; `forked`: it counted until its node was found to have written two histories; `dangling`: the tag
 * names a manifest that was taken back with who had pushed it. The others are the journal's own.
 */
export type LossReason = Reason | 'tag' | 'field' | 'forked' | 'dangling'

export interface Image {
  /** `<project>/<path>`, by the name the project has now. */
  readonly repository: string
  readonly tag: string | null
  readonly digest: string | null
}

/** Who did something, where and when, in people's names. */
export interface Deed {
  readonly id: OpId
  readonly actor: string
  readonly node: string
  readonly site: string
  /** Milliseconds since 1970 by that node's clock; for people. */
  readonly time: number
}

/** What an op was about, by name. A name stays empty where nothing says what it was. */
export type About =
  /** `admin`: whether it makes an administrator of them or none; null where it says nothing of that. */
  | { readonly what: 'user'; readonly user: string; readonly admin: boolean | null }
  | {
      readonly what: 'project'
      readonly project: string
      readonly settings: Readonly<Record<string, string>>
    }
  | { readonly what: 'link'; readonly link: string }
  | { readonly what: 'quota'; readonly project: string }
  | { readonly what: 'member'; readonly project: string; readonly user: string; readonly role: RoleId | null }
  /** `digest`: what it was to name, shortened; left out where `values` say so. */
  | {
      readonly what: 'tag'
      readonly project: string
      readonly path: string
      readonly tag: string
      readonly digest?: string
    }
  | { readonly what: 'node'; readonly node: string }
  | { readonly what: 'record'; readonly record: string }

/**
 * - `approve`: the same once more, in the name of whoever approves
 * - `take`: the tag or field shall have the value that lost
 * - `keep`: it shall have the value it has, and nothing beside it
 * - `rename`: the loser of a name gets another one
 */
export type Action = 'approve' | 'take' | 'keep' | 'rename'

export interface Remedy {
  /** Somebody has to decide: what was wanted can still be had, and is not so yet. */
  readonly open: boolean
  /** The one step that gives the loser what it wanted; null where there is none. */
  readonly action: Action | null
  /** What has to be said with it. */
  readonly needs: readonly 'name'[]
  /** What to do where no step does it. */
  readonly advice: string | null
}
