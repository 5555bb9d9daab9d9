import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { anomalies, titleOf } from './anomalies.ts'

const text = readFileSync(join(import.meta.dirname, '../../../docs/guarantees.md'), 'utf8')

test('every guarantee names a test that there is, and every anomaly is a guarantee', () => {
  const named = [...text.matchAll(/^Test: `(.*)`$/gm)].map(([, title]) => title)
  expect(named).toEqual(anomalies.map(titleOf))
  const sections = [...text.matchAll(/^### (\d+)\. "/gm)].map(([, number]) => Number(number))
  expect(sections).toEqual(anomalies.map(({ number }) => number))
})

test('every anomaly has its one story among the tests', () => {
  const stories = ['rights', 'content', 'nodes'].flatMap((file) => {
    const source = readFileSync(join(import.meta.dirname, `${file}.test.ts`), 'utf8')
    return [...source.matchAll(/^scenario\((\d+), /gm)].map(([, number]) => Number(number))
  })
  expect(stories.sort((a, b) => a - b)).toEqual(anomalies.map(({ number }) => number))
})
