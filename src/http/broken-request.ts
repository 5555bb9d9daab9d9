import { STATUS_CODES } from 'node:http'
import type { Answer } from './errors.ts'

/** What is wrong with a request that could not be read to its end, by the parser's code for it. */
export function answerToBroken(code: string | undefined, handled: boolean): Answer {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, code: 'BAD_REQUEST', message: 'the request took too long to arrive' }
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, code: 'BAD_REQUEST', message: 'the headers are too large' }
    case 'HPE_INVALID_EOF_STATE':
      return handled
        ? { status: 400, code: 'SIZE_INVALID', message: 'the connection ended before the body did' }
        : { status: 400, code: 'BAD_REQUEST', message: 'the connection ended before the request did' }
    default:
      return { status: 400, code: 'BAD_REQUEST', message: 'this is no HTTP request' }
  }
}

/** A whole answer for a socket whose request has no reply that could send it. */
export function rawAnswer(status: number, body: object, headers: Readonly<Record<string, string>>): string {
  const text = JSON.stringify(body)
  const all = {
    ...headers,
    'x-content-type-options': 'nosniff',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${text}`
}
