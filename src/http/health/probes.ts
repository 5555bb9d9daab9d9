import { Fault } from '../../errors.ts'
import type { Journal } from '../../journal/journal.ts'
import { parseDigest } from '../../oci/digest.ts'
import type { BlobStore } from '../../registry/blob-store.ts'
import type { StorageState } from '../../registry/storage-state.ts'
import { sayingOf } from '../errors.ts'
import type { Probe } from './health.ts'

/** The digest of no bytes: a question every store can answer, whatever it holds. */
const EMPTY = parseDigest('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')

/** The tables can be read, and say that this node belongs: an evicted one must get no traffic. */
export function journalProbe(journal: Pick<Journal, 'node' | 'tables'>): Probe {
  return {
    name: 'journal',
    async check() {
      // Past the cache of rows, to the disk.
      for await (const { row } of journal.tables.list('nodes', { prefix: journal.node, limit: 1 })) {
        if (row.state === 'member') return undefined
      }
      throw new Fault('NOT_A_MEMBER', 'this node is no member of its cluster')
    },
  }
}

export function storageProbe(blobs: Pick<BlobStore, 'stat'>): Probe {
  return {
    name: 'storage',
    async check() {
      await blobs.stat(EMPTY)
      return undefined
    },
  }
}

/** Something can be recorded, or can be once there is room: pulls need no room, so that a full disk is only told. */
export function recordsProbe(storage: StorageState): Probe {
  return {
    name: 'records',
    async check() {
      if (storage.unwritable) throw storage.unwritable
      return (await storage.isFull()) ? sayingOf('STORAGE_FULL') : undefined
    },
  }
}
