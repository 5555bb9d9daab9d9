import type { StorageFacts } from '../registry/storage-state.ts'

/** Rows of the management API, in Harbor's words, as far as the command line shows them. */
export interface ApiUser {
  readonly user_id: number
  readonly username: string
  readonly email?: string
  readonly realname?: string
  readonly sysadmin_flag: boolean
  readonly creation_time: string
}

export interface ApiProject {
  readonly project_id: number
  readonly name: string
  readonly owner_name?: string
  readonly repo_count?: number
  readonly creation_time: string
  readonly metadata?: { readonly public?: string }
}

export interface ApiMember {
  readonly id: number
  readonly entity_name: string
  readonly role_id: number
}

/** Role names as people say them, with Harbor's numbers. */
export const ROLES: Readonly<Record<string, number>> = {
  admin: 1,
  maintainer: 4,
  developer: 2,
  guest: 3,
  'limited-guest': 5,
}

export function roleName(id: number): string {
  return Object.entries(ROLES).find(([, number]) => number === id)?.[0] ?? `role ${id}`
}

/** Something that was lost in merging; beyond Harbor. */
export interface ApiConflict extends ApiDeed {
  readonly id: string
  readonly kind: string
  readonly about: string
  readonly project: string | null
  /** `<project>/<path>`, of what is in a repository; `tag` and `digest` as far as the record says. */
  readonly repository?: string
  readonly tag?: string | null
  readonly digest?: string | null
  readonly reason: string
  readonly text: string
  readonly outcome: 'refused' | 'lost'
  /** Of an eviction with what was said with it. */
  readonly beaten_by: (ApiDeed & { readonly id: string; readonly why?: string }) | null
  readonly open: boolean
  readonly repair: {
    readonly action: 'approve' | 'take' | 'keep' | 'rename' | null
    readonly needs: readonly string[]
    readonly advice: string | null
  }
  readonly values?: readonly (ApiDeed & { readonly id: string; readonly digest: string })[]
  readonly fields?: readonly {
    readonly field: string
    readonly values: readonly (ApiDeed & { readonly id: string; readonly value: string })[]
  }[]
}

/** How the disk of the node does. A node of an older version does not say. */
export interface ApiStorage {
  readonly storage?: StorageFacts
}

/** How many conflicts wait for somebody; with `more`, at least so many. A node of an older version does not say. */
export interface ApiOpenConflicts {
  readonly conflicts?: { readonly open: number; readonly more: boolean }
}

interface ApiDeed {
  readonly actor: string
  readonly node: string
  readonly site: string
  readonly time: string
}
