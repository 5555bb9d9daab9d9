import { Fault } from '../errors.ts'

/**
 * @param at where the row stands in the store
 * @throws Fault STORE_ROW_DAMAGED where it cannot be read: it was well-formed when it was written
 */
export function wholeRow<T>(at: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    const remedy = '`flotilla check` makes damaged records anew from the logs'
    throw new Fault('STORE_ROW_DAMAGED', `the disk has damaged the record ${at}: ${remedy}`, { at }, error)
  }
}
