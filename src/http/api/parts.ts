import type { Accounts } from '../../access/accounts.ts'
import type { Logins } from '../../access/logins.ts'
import type { Recovery } from '../../access/recovery.ts'
import type { Conflicts } from '../../conflicts/conflicts.ts'
import type { Repairs } from '../../conflicts/repairs.ts'
import type { Tables } from '../../journal/journal.ts'
import type { Members } from '../../projects/members.ts'
import type { Projects } from '../../projects/projects.ts'
import type { PlacementView } from '../../registry/placement-view.ts'
import type { StorageState } from '../../registry/storage-state.ts'
import type { Topology } from '../../registry/topology.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Health } from '../health/health.ts'

/** What the management API is made of. */
export interface ApiParts {
  readonly tables: Tables
  readonly accounts: Accounts
  readonly logins: Logins
  readonly projects: Projects
  readonly members: Members
  readonly recovery: Recovery
  readonly conflicts: Conflicts
  readonly repairs: Repairs
  readonly topology: Topology
  readonly placement: PlacementView
  readonly storage: StorageState
  readonly health: Health
  readonly clock: Clock
  /** Of this program. */
  readonly version: string
  /** Where clients reach the registry; null where nobody said. */
  readonly externalUrl: string | null
}

/**
 * Which door a request came through. Whoever opens the control socket is the machine's own administrator,
 * so the file's mode is the whole of that door's authentication.
 */
export type Door = 'public' | 'control'
