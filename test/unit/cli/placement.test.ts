import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Cli, commandLine } from './harness.ts'
import { type ManagementApi, managementApi, PLACEMENT, WHERE } from './management-api.ts'

let cli: Cli
let api: ManagementApi

beforeEach(async () => {
  cli = commandLine()
  api = managementApi()
  await api.server.listen({ path: join(cli.dataDir, 'control.sock') })
})
afterEach(() => api.server.close())

describe('placement status', () => {
  test('shows what a project asks for, and how much of it each site has', async () => {
    const { code, out } = await cli.type('placement status')
    expect(code).toBe(0)
    expect(out).toMatch(/^shop {2}sites:2; kept to eu-1, eu-2; push waits 20 s for 2 sites, else refuses$/m)
    expect(out).toMatch(/^ {2}eu-1\s+8 of 8\s+4\.0 KiB of 4\.0 KiB\s+100 %$/m)
    expect(out).toMatch(/^ {2}eu-2\s+6 of 8\s+1\.0 KiB of 4\.0 KiB\s+75 %$/m)
    expect(out).toContain('! not asked, for they are away: node3')
  })

  test('--json is the answer itself on one line', async () => {
    expect(JSON.parse((await cli.type('placement status --json')).out)).toEqual(PLACEMENT)
  })
})

describe('blob where', () => {
  test('shows who has it, and who should or must not', async () => {
    const { out } = await cli.type(`blob where ${WHERE.digest}`)
    expect(out).toContain('In shop (sites:2, kept to eu-1, eu-2)')
    expect(out).toMatch(/^node1 \*\s+eu-1\s+a\s+whole\s+keeps a copy for shop$/m)
    expect(out).toMatch(/^node2\s+eu-2\s+b\s+part\s+keeps a copy for shop$/m)
    expect(out).toMatch(/^node4\s+eu-2\s+c\s+unknown\s+may have it for shop, on demand$/m)
    expect(out).toMatch(/^node3\s+us-1\s+d\s+whole\s+no project lets its site have it; it came here before$/m)
  })

  test('--json is the answer itself on one line', async () => {
    expect(JSON.parse((await cli.type(`blob where ${WHERE.digest} --json`)).out)).toEqual(WHERE)
  })
})

describe('project set', () => {
  test('sends what was named, and nothing else', async () => {
    const { code } = await cli.type(
      'project set shop --placement sites:2 --residency any --durability-wait 20',
    )
    expect(code).toBe(0)
    expect(api.changes).toEqual([
      {
        request: 'PUT /projects/shop',
        body: { metadata: { placement: 'sites:2', residency: '', durability_wait: '20' } },
      },
    ])
  })

  test('wants to know what to set', async () => {
    const { code, err } = await cli.type('project set shop')
    expect(code).not.toBe(0)
    expect(err).toContain('--placement')
    expect(api.changes).toEqual([])
  })
})
