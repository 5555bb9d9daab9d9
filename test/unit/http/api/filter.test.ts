import { describe, expect, test } from 'vitest'
import { parseFilters } from '../../../../src/http/api/filter.ts'
import type { Field } from '../../../../src/http/api/list.ts'

interface Thing {
  readonly name: string
  readonly size: number
  readonly at: number
  readonly open: boolean
}
const fields = new Map<string, Field<Thing>>([
  ['name', { type: 'text', of: (one) => one.name }],
  ['size', { type: 'number', of: (one) => one.size }],
  ['at', { type: 'time', of: (one) => one.at }],
  ['open', { type: 'flag', of: (one) => one.open }],
])
const things: Thing[] = [
  { name: 'alpha', size: 1, at: Date.UTC(2026, 0, 1), open: true },
  { name: 'Beta', size: 20, at: Date.UTC(2026, 5, 1), open: false },
  { name: '~odd', size: 300, at: Date.UTC(2026, 11, 1), open: true },
]
const found = (q: string) =>
  things.filter((one) => parseFilters(q, fields).every((matches) => matches(one))).map(({ name }) => name)

describe('q, as Harbor’s clients write it', () => {
  test.each([
    ['', ['alpha', 'Beta', '~odd']],
    ['name=alpha', ['alpha']],
    ['name="alpha"', ['alpha']],
    ['name=\\~odd', ['~odd']],
    ['name=~ET', ['Beta']],
    ['name=beta', []],
    ['size=20', ['Beta']],
    ['size=[2~]', ['Beta', '~odd']],
    ['size=[~20]', ['alpha', 'Beta']],
    ['size=[2~299]', ['Beta']],
    ['size={1 300}', ['alpha', '~odd']],
    ['name={alpha Beta}', ['alpha', 'Beta']],
    ['at=[2026-02-01T00:00:00~2026-07-01T00:00:00]', ['Beta']],
    ['open=true', ['alpha', '~odd']],
    ['open=true,size=[2~]', ['~odd']],
  ])('%j finds %j', (q, names) => {
    expect(found(q)).toEqual(names)
  })

  test.each([
    'name',
    '=x',
    'name=',
    'other=1',
    'toString=1',
    'size=many',
    'size=~1',
    'size=[1~2~3]',
    'size=[~]',
    'size=[1',
    'open=maybe',
    'open=[true~]',
    'at=yesterday',
    'name=(a b)',
    'name=alpha,',
  ])('%j is refused', (q) => {
    expect(() => found(q)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
  })
})
