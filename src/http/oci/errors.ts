import type { Answer } from '../errors.ts'

/** Our codes in the words of the specification ("Error Codes"); a code that is not here is sent as it is. */
const OCI_CODES: Readonly<Record<string, string>> = {
  UPLOAD_UNKNOWN: 'BLOB_UPLOAD_UNKNOWN',
  UPLOAD_BUSY: 'BLOB_UPLOAD_INVALID',
  RANGE_INVALID: 'BLOB_UPLOAD_INVALID',
  // Of a pull: the specification has no word for it, and this comes nearest.
  RANGE_NOT_SATISFIABLE: 'SIZE_INVALID',
  UPLOADS_TOO_MANY: 'TOOMANYREQUESTS',
  MANIFEST_TOO_LARGE: 'SIZE_INVALID',
  METHOD_NOT_ALLOWED: 'UNSUPPORTED',
  FORBIDDEN: 'DENIED',
  RESIDENCY_FORBIDS: 'DENIED',
  TOO_MANY_REQUEST: 'TOOMANYREQUESTS',
  TOO_MANY_WAITING: 'TOOMANYREQUESTS',
  TOO_MANY_REQUESTS: 'TOOMANYREQUESTS',
}

/** The body of an error as distribution-spec has it. */
export function ociBody({ code, message, detail }: Answer): object {
  return { errors: [{ code: OCI_CODES[code] ?? code, message, ...(detail && { detail }) }] }
}
