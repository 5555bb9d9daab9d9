import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { SeededRandom } from '../simulation/world/random.ts'
import { newestLog } from './disk-steps.ts'
import type { Line } from './record.ts'

export type Tear = 'cut' | 'zeros' | 'junk'
const TEARS: readonly Tear[] = ['cut', 'zeros', 'junk']

/**
 * Power fails while LevelDB's log is written: of the bytes behind those an fsync is known to have covered, the
 * disk has a part, and behind it nothing, zeros, or what stood there before.
 * @returns what was done; undefined where every byte is covered
 */
export async function tearLog(
  journal: string,
  record: readonly Line[],
  random: SeededRandom,
): Promise<string | undefined> {
  const log = newestLog(journal)
  const synced = record.flatMap((line) => ('synced' in line ? [line.synced] : [])).at(-1)
  if (!log) return undefined
  const covered = synced?.file === log.file ? synced.bytes : 0
  if (log.bytes <= covered) return undefined
  const at = covered + random.integer(log.bytes - covered)
  const tear = TEARS[random.integer(TEARS.length)] as Tear
  const file = await open(join(journal, log.file), 'r+')
  try {
    if (tear === 'cut') await file.truncate(at)
    else {
      const rest = tear === 'junk' ? random.bytes(log.bytes - at) : new Uint8Array(log.bytes - at)
      await file.write(rest, 0, rest.length, at)
    }
    await file.sync()
  } finally {
    await file.close()
  }
  return `${tear} from byte ${at} of ${covered}-${log.bytes}`
}
