import type { Digest } from '../oci/digest.ts'

/** Where copies are and should be, for operators. `cluster/placement` fulfils it. */
export interface PlacementView {
  /** Asks every connected member. */
  where(digest: Digest): Promise<BlobWhere>
  /** Of every project that has a policy. */
  status(): Promise<PlacementStatus>
}

export interface BlobWhere {
  readonly digest: string
  /** Null where no repository has it. */
  readonly size: number | null
  readonly projects: readonly BlobProject[]
  readonly members: readonly BlobHolder[]
}

/** A project whose repositories have the blob. */
export interface BlobProject {
  readonly name: string
  /** As the project's setting says it: `on-demand`, `everywhere`, `sites:2`. */
  readonly placement: string
  /** Null: all sites. */
  readonly residency: readonly string[] | null
}

export interface BlobHolder {
  readonly id: string
  readonly name: string
  readonly site: string
  readonly self: boolean
  /** `unknown`: it is away, or did not answer. */
  readonly have: 'whole' | 'part' | 'none' | 'unknown'
  /** `keep`: it is to keep a copy; `may`: it has one when somebody pulls there; `must-not`: residency keeps it away. */
  readonly should: 'keep' | 'may' | 'must-not'
  /** Names of the projects it keeps it for, or may have it for. */
  readonly projects: readonly string[]
}

export interface PlacementStatus {
  readonly projects: readonly ProjectPlacement[]
  /** Names of members that could not be asked how far they are. */
  readonly silent: readonly string[]
}

export interface ProjectPlacement {
  readonly name: string
  readonly placement: string
  /** Null: all sites. Empty: none, until two settings that contradict each other are settled. */
  readonly residency: readonly string[] | null
  readonly durability: number
  readonly durabilityWaitMs: number
  readonly durabilityFallback: 'degrade' | 'refuse'
  readonly sites: readonly SitePlacement[]
}

/** Copies that the nodes of a site are to keep, and those they have, as of their last look. */
export interface SitePlacement {
  readonly site: string
  readonly wanted: number
  readonly placed: number
  readonly wantedBytes: number
  readonly placedBytes: number
}
