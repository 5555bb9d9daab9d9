import { Fault } from '../../src/errors.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { Durability } from '../../src/registry/durability.ts'
import type { PlacementView } from '../../src/registry/placement-view.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Roster } from '../membership/roster.ts'
import type { Network } from '../network/network.ts'
import type { Swarm } from '../swarm/swarm.ts'
import { ClusterDurability } from './cluster-durability.ts'
import { Handover } from './handover.ts'
import { PlacementClient } from './placement-client.ts'
import { PLACEMENT_PROTOCOL } from './placement-protocol.ts'
import { PlacementServer } from './placement-server.ts'
import { Placer } from './placer.ts'
import type { Records } from './records.ts'
import type { Residency } from './residency.ts'
import { Survey } from './survey.ts'

export interface PlacementParts {
  readonly records: Records
  readonly roster: Roster
  readonly network: Network
  readonly residency: Residency
  readonly blobs: BlobStore
  readonly swarm: Pick<Swarm, 'fetch' | 'holding'>
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

/** Copies where the projects want them: kept, asked for, and counted. */
export class Placement implements Startable {
  readonly durability: Durability
  readonly view: PlacementView
  readonly handover: Handover
  readonly #network: Network
  readonly #placer: Placer
  readonly #server: PlacementServer
  #handled = false
  #stopping: AbortController | undefined

  constructor(given: PlacementParts) {
    const { swarm } = given
    const parts = { ...given, log: given.logger.child({ room: 'placement' }) }
    const client = new PlacementClient(parts)
    const placer = new Placer({ ...parts, source: swarm })
    this.#network = parts.network
    this.#placer = placer
    this.#server = new PlacementServer({
      ...parts,
      holding: (digest) => swarm.holding(digest),
      bring: (digest) => placer.bring(digest),
      progress: () => placer.progress(),
    })
    this.handover = new Handover({ ...parts, client })
    this.durability = new ClusterDurability({ ...parts, client })
    this.view = new Survey({ ...parts, client, progress: () => placer.progress() })
  }

  /** The network runs, and the swarm does. */
  async start(): Promise<void> {
    this.#stopping = new AbortController()
    await this.#placer.start()
    this.handover.start()
    if (this.#handled) return // a network keeps its handlers
    this.#handled = true
    await this.#network.handle(PLACEMENT_PROTOCOL, async (channel) => {
      if (this.#stopping) await this.#server.serve(channel, this.#stopping.signal)
    })
  }

  async stop(): Promise<void> {
    this.#stopping?.abort(new Fault('PLACEMENT_STOPPED', 'this node stops'))
    await this.handover.stop()
    await this.#placer.stop()
  }
}
