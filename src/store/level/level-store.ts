import { mkdirSync, readdirSync, statfsSync } from 'node:fs'
import { ClassicLevel } from 'classic-level'
import type { Fault } from '../../errors.ts'
import type { KeyRange, KeyValue, Write } from '../../journal/key-value.ts'
import { JOURNAL_RESERVE_BYTES } from '../../limits.ts'
import { closed, damaged, full, openFault, readFault, writeFault } from './level-faults.ts'

/**
 * Every batch writes its number beside its rows, over the one so many before it. LevelDB passes over what the disk
 * has damaged in the middle of its log and goes on behind it: a number that is missing is the only trace of that.
 * LevelDB's log holds fewer batches than this before it becomes a table.
 */
const BATCHES_NUMBERED = 32_768
/**
 * Bytes of LevelDB's log before it becomes a table. Its own 4 MiB make a review of 100,000 ops, which writes some
 * 60 MiB, take a quarter longer for the merging of small tables; more than this gained nothing. Twice this in memory.
 */
const LOG_BYTES = 16 * 1024 * 1024
const NUMBERS = { gte: 'batch/', lt: 'batch0' }
const NUMBER_BYTES = 6
/** LevelDB's iterator. */
interface Rows {
  next(): Promise<[string, Uint8Array] | undefined>
  close(): Promise<void>
}

/** Records name people and hold the hashes of their passwords. */
const DIRECTORY_MODE = 0o700

/** The journal's store in one LevelDB directory, owned by one process (LevelDB's own lock says so). */
export class LevelStore implements KeyValue {
  readonly #directory: string
  readonly #level: ClassicLevel<string, Uint8Array>
  /**
   * A write failed: its record may stand torn at the end of LevelDB's log, and whatever were written behind
   * it would be dropped at the next start, acknowledged or not. Nothing is, until the log has been replaced.
   */
  #torn = false
  /** Of the last batch. */
  #number: number
  /** The batch under way: two at once would bear one number, and the next would look like a loss. */
  #writing: Promise<void> = Promise.resolve()
  readonly #onDamage: (damage: Fault, times: number) => void
  #damage: Fault | undefined
  #damageTimes = 0
  #unwritable: Fault | undefined

  private constructor(
    directory: string,
    level: ClassicLevel<string, Uint8Array>,
    number: number,
    onDamage: (damage: Fault, times: number) => void,
  ) {
    this.#directory = directory
    this.#level = level
    this.#number = number
    this.#onDamage = onDamage
  }

  /**
   * @param directory made when absent, for this user alone
   * @param onDamage told each time reading or writing shows later that the disk has damaged what was written
   * @throws Fault STORE_IN_USE when another process has it open, STORAGE_FULL, STORE_UNREADABLE, STORE_DAMAGED
   */
  static async open(
    directory: string,
    onDamage: (damage: Fault, times: number) => void = () => {},
  ): Promise<LevelStore> {
    const level = new ClassicLevel<string, Uint8Array>(directory, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      writeBufferSize: LOG_BYTES,
    })
    try {
      mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE })
      checkWhole(directory)
      await level.open()
    } catch (error) {
      throw openFault(directory, error)
    }
    try {
      return new LevelStore(directory, level, await lastBatch(directory, level), onDamage)
    } catch (error) {
      await level.close()
      throw readFault(directory, error)
    }
  }

  /** The first that reading or writing has shown since the start. It stays: LevelDB mends nothing. */
  get damage(): Fault | undefined {
    return this.#damage
  }

  /** Damage for which nothing is written any more until the store is opened anew. */
  get unwritable(): Fault | undefined {
    return this.#unwritable
  }

  /** @throws Fault STORE_DAMAGED, STORE_UNREADABLE; STORE_CLOSED in the moment in which a damaged log is being replaced */
  get(key: string): Uint8Array | undefined {
    if (this.#level.status !== 'open') throw this.#unwritable ?? closed()
    try {
      return this.#level.getSync(key)
    } catch (error) {
      throw this.#noted(readFault(this.#directory, error))
    }
  }

  /**
   * The rows as they stand at the call, however late they are read: LevelDB's iterator holds that moment. It passes
   * over a block it cannot read, and says so at its end: what was read counts only once the last row was asked for.
   * @throws as `get`, while it is read
   */
  range(bounds: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    if (this.#level.status === 'closed') throw this.#unwritable ?? closed()
    const iterator = this.#level.iterator(bounds)
    return { [Symbol.asyncIterator]: () => this.#rows(iterator) }
  }

  async *#rows(iterator: Rows): AsyncGenerator<readonly [string, Uint8Array]> {
    try {
      for (;;) {
        const row = await iterator.next().catch((error: unknown) => {
          throw this.#noted(readFault(this.#directory, error))
        })
        if (row === undefined) return
        yield row
      }
    } finally {
      await iterator.close()
    }
  }

  /** @throws Fault STORAGE_FULL, STORE_WRITE_FAILED, STORE_DAMAGED; nothing of the batch is then there, now or later */
  write(batch: readonly Write[]): Promise<void> {
    const written = this.#writing.then(() => this.#write(batch))
    this.#writing = written.catch(() => {})
    return written
  }

  async #write(batch: readonly Write[]): Promise<void> {
    // LevelDB could be opened anew and take some more; whoever reads meanwhile would pay for it, at each write.
    if (this.#unwritable) throw this.#unwritable
    this.#checkRoom()
    if (this.#torn) await this.#replaceLog()
    try {
      await this.#level.batch([...batch, numbered(this.#number + 1)], { sync: true })
      this.#number += 1
    } catch (error) {
      this.#torn = true
      throw this.#refused(writeFault(this.#directory, error))
    }
  }

  async close(): Promise<void> {
    await this.#writing
    return this.#level.close()
  }

  #refused(fault: Fault): Fault {
    if (fault.code === 'STORE_DAMAGED') this.#unwritable = fault
    return this.#noted(fault)
  }

  #noted(fault: Fault): Fault {
    if (fault.code !== 'STORE_DAMAGED') return fault
    this.#damage ??= fault
    this.#onDamage(fault, ++this.#damageTimes)
    return fault
  }

  #checkRoom(): void {
    const { bavail, bsize } = statfsSync(this.#directory)
    if (bavail * bsize < JOURNAL_RESERVE_BYTES) throw full(this.#directory)
  }

  /** Flushes what the log holds into a table, which starts a new log; else opens anew, which does the same. */
  async #replaceLog(): Promise<void> {
    try {
      await this.#flush().catch(async () => {
        await this.#level.close()
        await this.#level.open()
      })
    } catch (error) {
      throw this.#refused(writeFault(this.#directory, error))
    }
    this.#torn = false
  }

  /**
   * Once a merge of tables has failed LevelDB takes no write until it is opened again, and passes over what it is
   * asked to flush without a word: only a write shows it. What is written stands there already.
   */
  async #flush(): Promise<void> {
    await this.#level.compactRange('', '\u{10FFFF}')
    await this.#level.batch([numbered(this.#number)], { sync: true })
  }
}

function numbered(number: number): Write {
  const value = Buffer.alloc(NUMBER_BYTES)
  value.writeUIntBE(number, 0, NUMBER_BYTES)
  return { type: 'put', key: `${NUMBERS.gte}${number % BATCHES_NUMBERED}`, value }
}

/** @throws Fault STORE_DAMAGED where batches are missing before the last one */
async function lastBatch(directory: string, level: ClassicLevel<string, Uint8Array>): Promise<number> {
  const numbers = new Set<number>()
  for await (const [, value] of level.iterator(NUMBERS)) {
    numbers.add(Buffer.from(value).readUIntBE(0, NUMBER_BYTES))
  }
  const last = Math.max(0, ...numbers)
  for (let number = Math.max(1, last - BATCHES_NUMBERED + 1); number <= last; number++) {
    if (numbers.has(number)) continue
    const cause = new Error(`write ${number} of ${last} is gone`)
    throw damaged(directory, cause, { missing: number, last })
  }
  return last
}

/** Without the file that names its list of tables LevelDB begins anew, and throws away what stood there. */
function checkWhole(directory: string): void {
  const names = readdirSync(directory)
  if (names.includes('CURRENT') || !names.some((name) => /\.(ldb|log)$/.test(name))) return
  throw damaged(directory, new Error('CURRENT is gone'))
}
