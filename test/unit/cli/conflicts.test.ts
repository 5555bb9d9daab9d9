import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Cli, commandLine } from './harness.ts'
import { CONFLICTS, type ManagementApi, managementApi } from './management-api.ts'

let cli: Cli
let api: ManagementApi

beforeEach(async () => {
  cli = commandLine()
  api = managementApi()
  await api.server.listen({ path: join(cli.dataDir, 'control.sock') })
})
afterEach(() => api.server.close())

describe('conflicts', () => {
  test('are shown with what, who, where, why and what mends each, and each reason once in words', async () => {
    const { code, out } = await cli.type('conflicts')
    expect(code).toBe(0)
    expect(out).toMatch(/^CONFLICT\s+WRITTEN\s+ABOUT\s+RECORD\s+BY\s+AT\s+WHY\s+GAVE WAY TO\s+MEND$/m)
    expect(out).toMatch(
      /^A{22}\s+2026-11-23 09:30\s+bob in shop as developer\s+member\.granted\s+anna\s+node2 \(oslo\)\s+revoked\s+admin, node1 \(rome\)\s+--approve$/m,
    )
    expect(out).toMatch(/^T{22}\s.*shop\/web:1\.0\s.*\s-\s+--take, --keep$/m)
    expect(out).toMatch(/^N{22}\s.*user dora~1a2b\s.*--rename NAME$/m)
    expect(out).toMatch(/^L{22}\s.*by hand$/m)
    expect(out).toMatch(/^revoked: the right was taken away$/m)
    expect(out).toMatch(/^name: the name was taken \(or keep both\)$/m)
    expect(api.looked).toEqual(['/conflicts?open=true'])
  })

  test('--json is the list itself on one line, --all asks for what is settled too', async () => {
    const { out } = await cli.type('conflicts --all --json')
    expect(out.trimEnd()).not.toContain('\n')
    expect(JSON.parse(out)).toEqual(CONFLICTS)
    expect(api.looked).toEqual(['/conflicts'])
  })

  test('are narrowed down to a project, a site, a kind and a time', async () => {
    await cli.type('conflicts --project shop --since 2026-11-01 --at oslo --kind tag.moved')
    expect(api.looked).toEqual([
      '/projects/shop/conflicts?since=2026-11-01T00%3A00%3A00.000Z&site=oslo&kind=tag.moved&open=true',
    ])
    expect((await cli.type('conflicts --limit 2')).err).toContain('the newest 2')
    expect(JSON.parse((await cli.type('conflicts --json --limit 1')).out)).toEqual(CONFLICTS.slice(0, 1))
    expect((await cli.type('conflicts --limit 0')).code).toBe(2)
    const { code, err } = await cli.type('conflicts --since yesterday')
    expect([code, err.includes('--since yesterday: must be a day')]).toEqual([2, true])
  })
})

describe('conflicts repair', () => {
  const id = 'T'.repeat(22)

  test('what is no id is refused in one line, with where ids are', async () => {
    const { code, err } = await cli.type('conflicts repair nope --take')
    expect([code, api.changes]).toEqual([2, []])
    expect(err).toMatch(/^flotilla: nope is no conflict’s id\n {2}`flotilla conflicts` shows them/)
  })

  test.each([
    ['--approve', { action: 'approve' }],
    ['--approve --as carl2', { action: 'approve', name: 'carl2' }],
    ['--take', { action: 'take' }],
    ['--keep', { action: 'keep' }],
    ['--rename carl2', { action: 'rename', name: 'carl2' }],
  ])('%s is said to the node', async (flags, body) => {
    const { code, out } = await cli.type(`conflicts repair ${id} ${flags}`)
    expect([code, out]).toEqual([0, `Conflict ${id} is mended.\n`])
    expect(api.changes).toEqual([{ request: `POST /conflicts/${id}/repair`, body }])
  })

  test('a project’s administrator names the project', async () => {
    expect((await cli.type(`conflicts repair ${id} --take --project shop`)).code).toBe(0)
    expect(api.changes.map(({ request }) => request)).toEqual([`POST /projects/shop/conflicts/${id}/repair`])
  })

  test.each(['', '--take --keep', '--keep --as x', '--rename', '--rename x --take', '--rename x --as y'])(
    'with %j changes nothing, and says what to say',
    async (flags) => {
      const { code, err } = await cli.type(`conflicts repair ${id} ${flags}`)
      expect(code).toBe(2)
      expect(err).not.toBe('')
      expect(api.changes).toEqual([])
    },
  )
})
