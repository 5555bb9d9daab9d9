import type { z } from 'zod'
import { printable } from '../../oci/name.ts'

/** Characters: all kinds of records fit, which is the longest list of choices there is. */
const COMPLAINT_MAX = 1000
/** Of what is wrong, the first: the rest is seen once these are mended. */
const SAID_MAX = 3

type Issue = z.core.$ZodIssue

/** The first things that are wrong with a request, by name, as sentences; the values themselves are not repeated. */
export function complaint(error: z.ZodError, part: 'path' | 'query' | 'body'): string {
  return error.issues
    .slice(0, SAID_MAX)
    .map((issue) => sentence(issue, issue.path.length > 0 ? issue.path.join('.') : `the ${part}`))
    .join('; ')
    .slice(0, COMPLAINT_MAX)
}

function sentence(issue: Issue, name: string): string {
  if (!isZods(issue.message)) {
    const goesOn = /^(?:is|may|must) /.test(issue.message)
    return goesOn ? `${name} ${issue.message}` : `${name}: ${issue.message}`
  }
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => printable(key))
    return keys.length === 1 ? `${keys[0]} is not known here` : `${keys.join(', ')} are not known here`
  }
  // What it was is not in the issue: only in zod's own words.
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined'))
    return `${name} is missing`
  const wish = wishOf(issue)
  return wish === undefined ? `${name} is not of the form it has to have` : `${name} must ${wish}`
}

/** Messages nobody of ours wrote: they speak of types and patterns. */
function isZods(message: string): boolean {
  return /^(?:Invalid|Too (?:small|big)|Unrecognized)\b/.test(message)
}

function wishOf(issue: Issue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] && `be ${TYPES[issue.expected]}`
    case 'invalid_value':
      return `be ${issue.values.map(String).join(' or ')}`
    case 'too_small':
      if (issue.origin === 'string' && issue.minimum === 1) return 'not be empty'
      return measureOf(issue.origin, 'at least', issue.minimum)
    case 'too_big':
      return measureOf(issue.origin, 'at most', issue.maximum)
    case 'invalid_format':
      return issue.format === 'datetime' ? 'be a time such as 2026-11-23T10:00:00Z' : undefined
    case 'invalid_union': {
      const wishes = issue.errors.map(([first]) => first && wishOf(first)?.replace(/^be /, ''))
      return wishes.length > 0 && wishes.every(Boolean) ? `be ${wishes.join(' or ')}` : undefined
    }
    default:
      return undefined
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'null',
}

function measureOf(origin: string, bound: string, amount: number | bigint): string {
  if (origin === 'string') return `have ${bound} ${amount} characters`
  if (origin === 'array') return `have ${bound} ${amount} of them`
  return `be ${bound} ${amount}`
}
