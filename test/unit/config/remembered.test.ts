import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { remember } from '../../../src/config/remembered.ts'

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'flotilla-remembered-'))
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

const load = (flags: Record<string, string> = {}) =>
  loadConfig({
    environment: { FLOTILLA_DATA_DIR: dataDir },
    machine: { hostname: 'host', home: undefined },
    cwd: dataDir,
    flags,
  })

test('a node goes by the name and site it was made with, until it is told another', async () => {
  expect(load().config.node).toEqual({ name: 'host', site: 'default' })
  await remember({ dataDir, node: { name: 'hq-1', site: 'hq' } })
  expect(load().config.node).toEqual({ name: 'hq-1', site: 'hq' })
  expect(load({ 'node.site': 'annex' }).config.node).toEqual({ name: 'hq-1', site: 'annex' })
  const shown = load().shown.find(({ key }) => key === 'node.name')
  expect(shown?.origin).toMatchObject({ from: 'file', file: join(dataDir, 'node.json') })
})

for (const [what, text, wrong] of [
  ['cut off', '{"name":"hq-1","si', 'it is not JSON'],
  ['empty', '', 'it is empty'],
  ['of another form', '["hq-1"]', 'it does not hold the name and the site'],
  ['half there', '{"name":"hq-1"}', 'it does not hold the name and the site'],
  ['nothing', 'null', 'it does not hold the name and the site'],
] as const) {
  test(`a note that is ${what} stops the start, with the file, what is wrong and what to do in one line`, async () => {
    const file = join(dataDir, 'node.json')
    await writeFile(file, text)
    const fault = expect.objectContaining({
      code: 'NODE_NOTE_DAMAGED',
      message: expect.stringContaining(`${file} is damaged: ${wrong}`),
      facts: expect.objectContaining({ advice: expect.stringContaining('restore it from a backup') }),
    })
    expect(() => load()).toThrow(fault)
    // Who says both needs no note, and may write it anew.
    const both = { 'node.name': 'hq-1', 'node.site': 'hq' }
    expect(load(both).config.node).toEqual({ name: 'hq-1', site: 'hq' })
  })
}
