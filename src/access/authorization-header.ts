import type { Credentials } from './logins.ts'

export type Authorization =
  | { readonly scheme: 'none' }
  | ({ readonly scheme: 'basic' } & Credentials)
  | { readonly scheme: 'bearer'; readonly token: string }
  /** Something was sent that is none of these: never treated as if nothing had been. */
  | { readonly scheme: 'unreadable' }

const UNREADABLE: Authorization = { scheme: 'unreadable' }

/** RFC 7617 (UTF-8) and RFC 6750. */
export function parseAuthorization(header: string | undefined): Authorization {
  if (header === undefined || header === '') return { scheme: 'none' }
  const space = header.indexOf(' ')
  const scheme = header.slice(0, space).toLowerCase()
  const value = header.slice(space + 1).trim()
  if (space <= 0 || value === '') return UNREADABLE
  if (scheme === 'bearer') return { scheme: 'bearer', token: value }
  if (scheme !== 'basic' || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return UNREADABLE
  const text = utf8(Buffer.from(value, 'base64'))
  const colon = text?.indexOf(':') ?? -1
  if (text === undefined || colon <= 0) return UNREADABLE
  return { scheme: 'basic', name: text.slice(0, colon), password: text.slice(colon + 1) }
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
