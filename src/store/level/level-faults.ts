import { Fault, isFault } from '../../errors.ts'

const REMEDY =
  'Move the directory away and start again: the node takes its records from the other members; ' +
  'alone, it needs its backup'

/** What LevelDB said as the directory was opened. */
export function openFault(directory: string, error: unknown): Fault {
  if (isFault(error)) return error
  if (causes(error).some((reason) => codeOf(reason) === 'LEVEL_LOCKED'))
    return new Fault('STORE_IN_USE', `another process has ${directory} open`, { directory }, error)
  if (isFull(error))
    return new Fault('STORAGE_FULL', `the disk of ${directory} is full`, { directory }, error)
  if (isDamage(error)) return damaged(directory, error)
  return unreadable('open', directory, error)
}

/** What LevelDB said as a row was read. */
export function readFault(directory: string, error: unknown): Fault {
  if (isFault(error)) return error
  if (causes(error).some((reason) => NOT_OPEN.has(codeOf(reason) ?? ''))) return closed(error)
  return isDamage(error) ? damaged(directory, error) : unreadable('read', directory, error)
}

/** What LevelDB said as it was to write. */
export function writeFault(directory: string, error: unknown): Fault {
  if (isFault(error)) return error
  if (isFull(error)) return full(directory, error)
  if (isDamage(error)) return damaged(directory, error)
  const message = `the journal could not be written (${wordsOf(error)})`
  return new Fault('STORE_WRITE_FAILED', message, { directory }, error)
}

export function full(directory: string, cause?: unknown): Fault {
  return new Fault('STORAGE_FULL', 'the disk is full: nothing can be recorded', { directory }, cause)
}

/** @param cause what shows it, in its own words */
export function damaged(directory: string, cause: unknown, facts: Record<string, unknown> = {}): Fault {
  const message = `the disk has damaged the records in ${directory} (${wordsOf(cause)}). ${REMEDY}`
  return new Fault('STORE_DAMAGED', message, { directory, ...facts }, cause)
}

export function closed(cause?: unknown): Fault {
  return new Fault('STORE_CLOSED', 'the journal is being reopened; try again', {}, cause)
}

const NOT_OPEN: ReadonlySet<string> = new Set(['LEVEL_DATABASE_NOT_OPEN', 'LEVEL_ITERATOR_NOT_OPEN'])

function unreadable(act: 'open' | 'read', directory: string, error: unknown): Fault {
  const message = `cannot ${act} ${directory}: ${wordsOf(error)}`
  return new Fault('STORE_UNREADABLE', message, { directory }, error)
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
