import { Fault } from '../../errors.ts'

/** The system's error code, where `error` has one. */
export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}

export function isAbsent(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT'
}

/** A full disk is something a client is told; what else a disk may say is ours to log. */
export function diskFault(error: unknown): unknown {
  const errno = errnoOf(error)
  return errno === 'ENOSPC' || errno === 'EDQUOT'
    ? new Fault('STORAGE_FULL', 'the disk of this node is full', { errno }, error)
    : error
}
