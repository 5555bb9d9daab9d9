import type { Digest } from '../../src/oci/digest.ts'
import type { RecentTransfer, TransferCounters, TransferStatus } from '../../src/registry/topology.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import { RECENT_TRANSFERS_MAX } from './limits.ts'

export type TransportName = 'torrent' | 'direct'

/** One blob that has arrived, for people. */
export interface Arrival {
  readonly digest: Digest
  readonly size: number
  readonly transport: TransportName
  readonly from: readonly string[]
  readonly milliseconds: number
}

/** What went between this node and the others since it started. */
export class Transfers {
  readonly #logger: Logger
  readonly #counters: Record<TransportName, { -readonly [Name in keyof TransferCounters]: number }> = {
    torrent: { blobsReceived: 0, bytesReceived: 0, bytesSent: 0 },
    direct: { blobsReceived: 0, bytesReceived: 0, bytesSent: 0 },
  }
  readonly #recent: RecentTransfer[] = []

  constructor(logger: Logger) {
    this.#logger = logger
  }

  status(): TransferStatus {
    return {
      torrent: { ...this.#counters.torrent },
      direct: { ...this.#counters.direct },
      recent: [...this.#recent],
    }
  }

  sent(transport: TransportName, bytes: number): void {
    this.#counters[transport].bytesSent += bytes
  }

  received(transport: TransportName, bytes: number): void {
    this.#counters[transport].bytesReceived += bytes
  }

  arrived(arrival: Arrival): void {
    this.#counters[arrival.transport].blobsReceived++
    this.#recent.unshift(arrival)
    this.#recent.length = Math.min(this.#recent.length, RECENT_TRANSFERS_MAX)
    const { digest, size, from, milliseconds } = arrival
    const how = arrival.transport === 'torrent' ? 'by BitTorrent' : 'directly'
    this.#logger.info({ digest, bytes: size, from, ms: milliseconds }, `blob arrived ${how}`)
  }
}
