import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PieceSink } from '../../src/registry/piece-sink.ts'
import { type Clock, systemClock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { DiskBlobStore } from '../../src/store/disk/disk-blob-store.ts'
import { DiskUploadStore } from '../../src/store/disk/disk-upload-store.ts'
import { HashWorkers } from '../../src/store/disk/hash-workers.ts'
import { DiskLayout } from '../../src/store/disk/layout.ts'

export async function temporaryDirectory(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'flotilla-test-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

export interface DiskStores {
  readonly layout: DiskLayout
  readonly blobs: DiskBlobStore
  readonly uploads: DiskUploadStore
  close(): Promise<void>
}

/** The disk store as a node opens it, on a directory that may hold what another run left. */
export async function openDisk(
  root: string,
  clock: Clock = systemClock,
  pieces?: PieceSink,
): Promise<DiskStores> {
  const hashing = new HashWorkers()
  const layout = new DiskLayout(root)
  const blobs = new DiskBlobStore({ layout, hashing, random: systemRandom, clock })
  const uploads = new DiskUploadStore({ layout, hashing, random: systemRandom, clock, pieces })
  await blobs.start()
  await uploads.start()
  return { layout, blobs, uploads, close: () => hashing.stop() }
}

/** The disk store in a directory of its own; `reopen` is a restart that the first run never hears of. */
export async function openTemporaryDisk() {
  const directory = await temporaryDirectory()
  const opened = [await openDisk(directory.path)]
  const [first] = opened as [DiskStores]
  return {
    root: directory.path,
    ...first,
    reopen: async () => {
      const again = await openDisk(directory.path)
      opened.push(again)
      return again
    },
    close: async () => {
      await Promise.all(opened.map((one) => one.close()))
      await directory.remove()
    },
  }
}
