import { Fault } from '../../errors.ts'
import type { Field, Value } from './list.ts'

export type Filter<T> = (item: T) => boolean

/**
 * Harbor's `q`: `k=v` exact, `k=~v` part of, `k=[min~max]` range, `k={a b}` one of; all of them, separated by
 * commas. Only listed fields can be named, so that nothing else leaks by comparison (CVE-2025-30086).
 * @throws Fault BAD_REQUEST
 */
export function parseFilters<T>(q: string, fields: ReadonlyMap<string, Field<T>>): readonly Filter<T>[] {
  if (q.trim() === '') return []
  return q.split(',').map((part) => {
    const at = part.indexOf('=')
    const name = part.slice(0, at).trim()
    const value = part.slice(at + 1).trim()
    if (at <= 0 || name === '' || value === '') throw malformed('a condition is field=value')
    const field = fields.get(name)
    if (!field) throw malformed(`${[...fields.keys()].join(', ')} can be searched by`)
    return condition(field, value)
  })
}

function condition<T>(field: Field<T>, value: string): Filter<T> {
  if (value.startsWith('~')) {
    if (field.type !== 'text') throw malformed('only text has parts')
    const part = literal(value.slice(1)).toLowerCase()
    return (item) => String(field.of(item)).toLowerCase().includes(part)
  }
  if (value.startsWith('[')) return range(field, inside(value, '[', ']'))
  if (value.startsWith('{')) {
    const any = inside(value, '{', '}')
      .split(' ')
      .filter((one) => one !== '')
      .map((one) => read(field, one))
    return (item) => any.includes(field.of(item))
  }
  if (value.startsWith('(')) throw malformed('none of these fields has several values')
  const exact = read(field, value)
  return (item) => field.of(item) === exact
}

function range<T>(field: Field<T>, text: string): Filter<T> {
  const ends = text.split('~')
  if (ends.length !== 2 || field.type === 'flag') throw malformed('a range is [min~max]')
  const [min, max] = ends.map((end) => (end.trim() === '' ? undefined : read(field, end.trim())))
  if (min === undefined && max === undefined) throw malformed('a range has at least one end')
  return (item) => {
    const value = field.of(item)
    return (min === undefined || value >= min) && (max === undefined || value <= max)
  }
}

function read<T>({ type }: Field<T>, text: string): Value {
  const value = literal(text)
  switch (type) {
    case 'text':
      return value
    case 'flag':
      if (value !== 'true' && value !== 'false') throw malformed('the field is true or false')
      return value === 'true'
    case 'number':
      if (!/^-?\d{1,15}$/.test(value)) throw malformed('the field is a number')
      return Number(value)
    default: {
      const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(value) ? Date.parse(`${value}Z`) : Number.NaN
      if (Number.isNaN(time)) throw malformed('the field is a time such as 2006-01-02T15:04:05')
      return time
    }
  }
}

/** A leading backslash takes what follows as it is; quotes around a value are not part of it. */
function literal(text: string): string {
  if (text.startsWith('\\')) return text.slice(1)
  return /^".*"$/.test(text) || /^'.*'$/.test(text) ? text.slice(1, -1) : text
}

function inside(text: string, open: string, close: string): string {
  if (!text.endsWith(close)) throw malformed(`${open} needs its ${close}`)
  return text.slice(1, -1)
}

function malformed(why: string): Fault {
  return new Fault('BAD_REQUEST', `q: ${why}`)
}
