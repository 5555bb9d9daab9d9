import { Fault, isStorageFault } from '../errors.ts'

/**
 * Statuses of faults by code, decided here once for every door. A code that is not listed gets the status
 * its ending stands for; one that has neither is a defect of ours, and answered 500 without a word of why.
 */
const STATUS: Readonly<Record<string, number>> = {
  BAD_REQUEST: 400,
  UNSUPPORTED: 405,
  UNAUTHORIZED: 401,
  DENIED: 403,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  OP_REFUSED: 409,
  LAST_COPIES: 409,
  PRECONDITION: 412,
  NO_CLUSTER: 412,
  RESIDENCY_FORBIDS: 403,
  NODE_ROLE_FORBIDS: 403,
  NODE_SCOPE_FORBIDS: 403,
  NODE_NOT_PENDING: 409,
  NODE_IS_SELF: 409,
  NODE_AMBIGUOUS: 409,
  SECOND_CONSENT_OWN: 403,
  INVITE_ELSEWHERE: 409,
  INVITE_USED: 409,
  RECOVERY_REFUSED: 403,
  PROJECTPOLICYVIOLATION: 412,
  TAGS_TOO_MANY: 414,
  RANGE_INVALID: 416,
  RANGE_NOT_SATISFIABLE: 416,
  TOO_MANY_REQUESTS: 429,
  BLOB_FETCH_FAILED: 503,
  BLOB_UNAVAILABLE: 503,
  DURABILITY_UNMET: 503,
  HASHING_STOPPED: 503,
  LINK_CLOSED: 503,
  JOURNAL_BUSY: 503,
  JOURNAL_CLOSED: 503,
  JOURNAL_READ_ONLY: 503,
  STORE_CLOSED: 503,
  STORE_DAMAGED: 503,
  STORE_ROW_DAMAGED: 503,
  STORE_UNREADABLE: 503,
  STORE_WRITE_FAILED: 503,
  TOKENS_UNAVAILABLE: 503,
  TOO_MANY_WAITING: 503,
  STORAGE_FULL: 507,
}

const STATUS_BY_ENDING: readonly (readonly [ending: string, status: number])[] = [
  ['_INVALID', 400],
  ['_MALFORMED', 400],
  ['_UNKNOWN', 404],
  ['_BUSY', 409],
  ['_EXISTS', 409],
  ['_TAKEN', 409],
  ['_IMMUTABLE', 412],
  ['_TOO_LARGE', 413],
  ['_TOO_MANY', 429],
]

/**
 * Whoever asks hears what is wrong with the disk and who can help; where on the machine it stands is for its operator.
 */
const OF_STORAGE: Readonly<Record<string, string>> = {
  STORAGE_FULL:
    'the disk of this node is full: its operator has to make room before anything can be written; pulls go on',
  STORE_DAMAGED:
    'the disk of this node has damaged its records: ask another node; `flotilla doctor` tells its operator what to do',
  STORE_ROW_DAMAGED:
    'a record of this node is damaged: ask another node; its operator has it made anew with `flotilla check`',
  STORE_UNREADABLE:
    'the records of this node cannot be read: ask another node; `flotilla doctor` tells its operator what to do',
  STORE_WRITE_FAILED:
    'the disk of this node refused a write, and nothing was recorded: try again; `flotilla doctor` tells its operator more',
}

/** What a client is told: a status, a code it can act on, a sentence, and what may be shown besides. */
export interface Answer {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly detail?: Readonly<Record<string, unknown>>
  /** Value of WWW-Authenticate. */
  readonly challenge?: string
}

export const INTERNAL_ERROR: Answer = { status: 500, code: 'UNKNOWN', message: 'internal server error' }

/** @param error whatever a handler threw, Fastify's own errors included */
export function answerOf(error: unknown): Answer {
  if (error instanceof Fault) return answerToFault(error)
  const status = statusCodeOf(error)
  if (status === undefined || status >= 500) return INTERNAL_ERROR
  return {
    status,
    code: codeOfStatus(status),
    message: error instanceof Error ? error.message : 'bad request',
  }
}

/** Harbor's words for a status, for faults that have no better one. */
export function codeOfStatus(status: number): string {
  switch (status) {
    case 401:
      return 'UNAUTHORIZED'
    case 403:
      return 'FORBIDDEN'
    case 404:
      return 'NOT_FOUND'
    case 405:
      return 'METHOD_NOT_ALLOWED'
    case 409:
      return 'CONFLICT'
    case 412:
      return 'PRECONDITION'
    case 413:
      return 'REQUEST_ENTITY_TOO_LARGE'
    case 429:
      return 'TOO_MANY_REQUEST'
    default:
      return status >= 500 ? 'UNKNOWN' : 'BAD_REQUEST'
  }
}

/** Whether the error only says that the client has gone: nobody is left to answer, and nothing is wrong here. */
export function isClientGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return (
    code === 'ECONNRESET' || code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECANCELED'
  )
}

/** What is said of a fault of storage, without the fault. */
export function sayingOf(code: 'STORAGE_FULL'): string {
  return OF_STORAGE[code] as string
}

/** This node's own disk is behind it: for the log that is more than what a cut cable makes of a request. */
export function isOfStorage(error: unknown): boolean {
  return isStorageFault(error) && error.code in OF_STORAGE
}

function answerToFault(fault: Fault): Answer {
  const status = STATUS[fault.code] ?? STATUS_BY_ENDING.find(([ending]) => fault.code.endsWith(ending))?.[1]
  if (status === undefined) return INTERNAL_ERROR
  const said = OF_STORAGE[fault.code]
  if (said !== undefined) return { status, code: fault.code, message: said }
  const { challenge, ...detail } = fault.facts
  return {
    status,
    code: fault.code,
    message: fault.message,
    ...(Object.keys(detail).length > 0 && { detail }),
    ...(typeof challenge === 'string' && { challenge }),
  }
}

function statusCodeOf(error: unknown): number | undefined {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' && status >= 400 && status < 600 ? status : undefined
}
