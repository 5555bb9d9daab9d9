import { readFile, stat, writeFile } from 'node:fs/promises'
import { z } from 'zod'
import type { DigestAlgorithm } from '../../oci/digest.ts'
import type { UploadOwner } from '../../registry/upload-store.ts'
import { isAbsent } from './disk-faults.ts'
import type { DiskLayout } from './layout.ts'

const factsSchema = z.object({
  owner: z.object({ principal: z.string(), repository: z.string() }),
  algorithm: z.enum(['sha256', 'sha512']),
  startedAt: z.number(),
})

/** What stands beside the bytes of an upload. */
export interface UploadFacts {
  readonly owner: UploadOwner
  /** What the client is expected to name at the end; it may still choose otherwise. */
  readonly algorithm: DigestAlgorithm
  readonly startedAt: number
}

export async function writeFacts(layout: DiskLayout, id: string, facts: UploadFacts): Promise<void> {
  await writeFile(layout.uploadFacts(id), JSON.stringify(facts), { flag: 'wx', mode: 0o600 })
}

/** An upload as a restart finds it; undefined where a crash left no whole pair of files. */
export async function readUpload(
  layout: DiskLayout,
  id: string,
): Promise<{ facts: UploadFacts; size: number; touchedAt: number } | undefined> {
  try {
    const { size, mtimeMs } = await stat(layout.uploadBytes(id))
    const facts = factsSchema.safeParse(jsonOr(await readFile(layout.uploadFacts(id), 'utf8'), undefined))
    return facts.success ? { facts: facts.data, size, touchedAt: mtimeMs } : undefined
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function jsonOr(text: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return otherwise
  }
}
