import { ClassicLevel } from 'classic-level'
import { Fault } from '../../errors.ts'
import type { KeyRange, KeyValue, Write } from '../../journal/key-value.ts'

/** The journal's store in one LevelDB directory, owned by one process (LevelDB's own lock says so). */
export class LevelStore implements KeyValue {
  readonly #level: ClassicLevel<string, Uint8Array>

  private constructor(level: ClassicLevel<string, Uint8Array>) {
    this.#level = level
  }

  /**
   * @param directory made when absent
   * @throws Fault STORE_IN_USE when another process has it open
   */
  static async open(directory: string): Promise<LevelStore> {
    const level = new ClassicLevel<string, Uint8Array>(directory, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
    })
    try {
      await level.open()
    } catch (error) {
      const cause = (error as { cause?: { code?: string } }).cause
      if (cause?.code === 'LEVEL_LOCKED') {
        throw new Fault('STORE_IN_USE', `another process has ${directory} open`, { directory }, error)
      }
      throw new Fault('STORE_UNREADABLE', `cannot open ${directory}`, { directory }, error)
    }
    return new LevelStore(level)
  }

  get(key: string): Uint8Array | undefined {
    return this.#level.getSync(key)
  }

  async *range(bounds: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    yield* this.#level.iterator(bounds)
  }

  async write(batch: readonly Write[]): Promise<void> {
    try {
      await this.#level.batch([...batch], { sync: true })
    } catch (error) {
      throw new Fault('STORE_WRITE_FAILED', 'the journal could not be written', {}, error)
    }
  }

  close(): Promise<void> {
    return this.#level.close()
  }
}
