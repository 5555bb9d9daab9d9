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

test('a damaged note is no reason not to start', async () => {
  await writeFile(join(dataDir, 'node.json'), '{')
  expect(load().config.node.site).toBe('default')
})
