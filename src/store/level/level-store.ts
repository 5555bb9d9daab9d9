import { mkdirSync, readdirSync, statfsSync } from 'node:fs'
import { ClassicLevel } from 'classic-level'
import { Fault, isFault } from '../../errors.ts'
import type { KeyRange, KeyValue, Write } from '../../journal/key-value.ts'

/**
 * Never written below: LevelDB needs room to flush and merge, and what fails for want of it leaves a torn
 * log behind. Four times its write buffer.
 */
const RESERVE_BYTES = 16 * 1024 * 1024
/**
 * Every batch writes its number beside its rows, over the one so many before it. LevelDB passes over what the disk
 * has damaged in the middle of its log and goes on behind it: a number that is missing is the only trace of that.
 * LevelDB's log holds fewer batches than this before it becomes a table.
 */
const BATCHES_NUMBERED = 8_192
const NUMBERS = { gte: 'batch/', lt: 'batch0' }
const NUMBER_BYTES = 6
const REMEDY =
  'Move the directory away and start again: the node takes its records from the other members; ' +
  'alone, it needs its backup'
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

  private constructor(directory: string, level: ClassicLevel<string, Uint8Array>, number: number) {
    this.#directory = directory
    this.#level = level
    this.#number = number
  }

  /**
   * @param directory made when absent, for this user alone
   * @throws Fault STORE_IN_USE when another process has it open, STORAGE_FULL, STORE_UNREADABLE, STORE_DAMAGED
   */
  static async open(directory: string): Promise<LevelStore> {
    const level = new ClassicLevel<string, Uint8Array>(directory, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
    })
    try {
      mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE })
      checkWhole(directory)
      await level.open()
    } catch (error) {
      if (isFault(error)) throw error
      const reasons = causes(error)
      if (reasons.some((reason) => codeOf(reason) === 'LEVEL_LOCKED')) {
        throw new Fault('STORE_IN_USE', `another process has ${directory} open`, { directory }, error)
      }
      if (isFull(error))
        throw new Fault('STORAGE_FULL', `the disk of ${directory} is full`, { directory }, error)
      if (isDamage(error)) throw damaged(directory, error)
      const why = wordsOf(error)
      throw new Fault('STORE_UNREADABLE', `cannot open ${directory}: ${why}`, { directory }, error)
    }
    try {
      return new LevelStore(directory, level, await lastBatch(directory, level))
    } catch (error) {
      await level.close()
      throw isDamage(error) ? damaged(directory, error) : error
    }
  }

  /** @throws Fault STORE_CLOSED in the moment in which a damaged log is being replaced */
  get(key: string): Uint8Array | undefined {
    if (this.#level.status !== 'open')
      throw new Fault('STORE_CLOSED', 'the journal is being reopened; try again')
    return this.#level.getSync(key)
  }

  /** The rows as they stand at the call, however late they are read: LevelDB's iterator holds that moment. */
  range(bounds: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    return this.#level.iterator(bounds)
  }

  /** @throws Fault STORAGE_FULL, STORE_WRITE_FAILED; nothing of the batch is then there, now or later */
  async write(batch: readonly Write[]): Promise<void> {
    this.#checkRoom()
    if (this.#torn) await this.#replaceLog()
    try {
      await this.#level.batch([...batch, numbered(this.#number + 1)], { sync: true })
      this.#number += 1
    } catch (error) {
      this.#torn = true
      if (isFull(error)) throw full(this.#directory, error)
      throw new Fault('STORE_WRITE_FAILED', 'the journal could not be written', {}, error)
    }
  }

  close(): Promise<void> {
    return this.#level.close()
  }

  #checkRoom(): void {
    const { bavail, bsize } = statfsSync(this.#directory)
    if (bavail * bsize < RESERVE_BYTES) throw full(this.#directory)
  }

  /** Flushes what the log holds into a table, which starts a new log; else opens anew, which does the same. */
  async #replaceLog(): Promise<void> {
    try {
      await this.#flush().catch(async () => {
        await this.#level.close()
        await this.#level.open()
      })
    } catch (error) {
      throw new Fault('STORE_WRITE_FAILED', 'the journal could not be repaired', {}, error)
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
    throw new Fault(
      'STORE_DAMAGED',
      `records in ${directory} are gone that stood there (write ${number} of ${last}): the disk has damaged them. ${REMEDY}`,
      { directory, missing: number, last },
    )
  }
  return last
}

function full(directory: string, cause?: unknown): Fault {
  return new Fault('STORAGE_FULL', 'the disk is full: nothing can be recorded', { directory }, cause)
}

/** Without the file that names its list of tables LevelDB begins anew, and throws away what stood there. */
function checkWhole(directory: string): void {
  const names = readdirSync(directory)
  if (names.includes('CURRENT') || !names.some((name) => /\.(ldb|log)$/.test(name))) return
  throw damaged(directory, new Error('CURRENT is gone'))
}

function damaged(directory: string, cause: unknown): Fault {
  const message = `the disk has damaged the records in ${directory} (${wordsOf(cause)}). ${REMEDY}`
  return new Fault('STORE_DAMAGED', message, { directory }, cause)
}

/** Also a file that LevelDB counts on and that is too short to be one, or gone. */
function isDamage(error: unknown): boolean {
  return causes(error).some(
    (cause) =>
      codeOf(cause) === 'LEVEL_CORRUPTION' ||
      (cause instanceof Error &&
        /^Corruption|(\.ldb|MANIFEST-\d+): (Invalid argument|No such file)/.test(
          cause.message.replace(/^IO error: /, ''),
        )),
  )
}

/** What LevelDB itself said: its words are the innermost. */
function wordsOf(error: unknown): string {
  const last = causes(error).at(-1)
  return last instanceof Error ? last.message : String(last)
}

function isFull(error: unknown): boolean {
  // LevelDB hands on the system's words, not its number.
  return causes(error).some(
    (cause) =>
      codeOf(cause) === 'ENOSPC' || (cause instanceof Error && cause.message.includes('No space left')),
  )
}

function causes(error: unknown): unknown[] {
  const found: unknown[] = []
  for (let cause = error; cause !== undefined; cause = cause instanceof Error ? cause.cause : undefined) {
    found.push(cause)
  }
  return found
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code
}
