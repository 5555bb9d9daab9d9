import type { Journal } from '../journal/journal.ts'
import type { KeyValue } from '../journal/key-value.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Logger } from '../runtime/logger.ts'
import type { Random } from '../runtime/random.ts'
import type { Startable } from '../runtime/startable.ts'
import type { Timers } from '../runtime/timers.ts'
import type { BlobSource } from './blob-source.ts'
import type { BlobStore } from './blob-store.ts'
import type { Durability } from './durability.ts'
import type { PlacementView } from './placement-view.ts'
import type { Topology } from './topology.ts'

/**
 * What makes a node one of many. `cluster/` fulfils it; `alone` is the form of a node that has nobody else.
 * It keeps its own files (keys, membership) in the node's data directory.
 */
export interface Collective {
  /** Where the data directory belongs; undefined for a fresh one, and for one a crash left half-made. */
  membership(dataDir: string): Promise<Membership | undefined>
  /**
   * Makes a new cluster with this node as its first member: identity, genesis, what `lay` writes, and last,
   * so that a crash leaves no half-made cluster, the note that the directory belongs to it.
   * The data directory belongs to nobody yet, and its journal is empty.
   */
  found(node: NodeParts, clusterName: string, lay: (journal: Journal) => Promise<void>): Promise<Founding>
  /**
   * Makes this node a member of the inviter's cluster; leaves nothing behind where that fails.
   * Where the invite asks for a second consent it waits for that, and can be asked again to wait on.
   * @param onPending told once that it waits
   * @throws Fault INVITE_MALFORMED, INVITE_EXPIRED, INVITE_USED, INVITE_OTHER_CLUSTER, PEER_UNREACHABLE,
   *   APPROVAL_PENDING when nobody agreed in time
   */
  join(
    node: NodeParts,
    invite: string,
    options: { readonly signal: AbortSignal; readonly onPending: (nodeId: string) => void },
  ): Promise<Membership>
  /**
   * Opens the journal. Nothing is sent or listened to before `start`.
   * @throws Fault NOT_A_MEMBER when the data directory belongs to no cluster
   */
  open(node: NodeParts): Promise<Participant>
}

export interface Membership {
  readonly clusterId: string
  readonly clusterName: string
  readonly nodeId: string
}

export interface Founding extends Membership {
  /** The text of the recovery key, to be shown once: nothing keeps it. */
  readonly recoveryKey: string
}

export interface Participant extends Startable, Membership {
  readonly journal: Journal
  readonly blobs: BlobSource
  readonly placement: { readonly durability: Durability; readonly view: PlacementView }
  readonly topology: Topology
  /** Settles when this node is no member any more (it left, or was evicted); the text says which. */
  readonly ended: Promise<string>
  /** Multiaddrs other members dial; empty before `start`, and where there are none. */
  addresses(): string[]
  /** Tells the others where this node is to be reached, when that has changed. To be called after `start`. */
  announce(url: string | null): Promise<void>
}

export interface NodeParts {
  readonly dataDir: string
  readonly store: KeyValue
  readonly blobs: BlobStore
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  readonly logger: Logger
  readonly settings: NodeSettings
}

export interface NodeSettings {
  readonly name: string
  readonly site: string
  /** Ed25519 public key of the registry tokens this node signs: base64url, JWK `x`. */
  readonly tokenKey: string
  /** Where the cluster's own listeners bind. */
  readonly host: string
  /** libp2p over TCP. */
  readonly clusterPort: number
  /** Torrent wires over mutual TLS. */
  readonly swarmPort: number
  /** Host names or addresses others reach this node by, best first; empty: the bound ones. */
  readonly announce: readonly string[]
  /** Where clients reach this node; null where nobody said. */
  readonly url: string | null
}
