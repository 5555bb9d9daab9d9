import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Cli, commandLine } from './harness.ts'
import { LINKS, type ManagementApi, managementApi } from './management-api.ts'

let cli: Cli
let api: ManagementApi

beforeEach(async () => {
  cli = commandLine()
  api = managementApi()
  await api.server.listen({ path: join(cli.dataDir, 'control.sock') })
})
afterEach(() => api.server.close())

test('links are listed with what may go over them, what went, and how they are', async () => {
  const { code, out, err } = await cli.type('links')
  expect(code).toBe(0)
  expect(out).toMatch(/^LINK\s+CLASS\s+RATE\s+HOURS\s+BUDGET\s+USED\s+FORECAST\s+STATE\s+RTT$/m)
  expect(out).toMatch(
    /^oslo - rome\s+metered\s+2\.5 MiB\/s\s+22:00-06:00\s+50\.0 GiB\s+30\.0 GiB\s+60\.0 GiB\s+no bulk until 2026-11-23T22:00Z\s+31 ms$/m,
  )
  expect(out).toMatch(/^lima - rome\s+closed\s+-\s+-\s+-\s+0 B\s+-\s+forbidden\s+-$/m)
  expect(err).toContain('oslo - rome: goes over its budget before the month ends')
  expect(err).toContain('oslo - rome: rate set otherwise by two administrators at the same time')
  expect(err).toContain('lima - rome: no member is at one of these sites (yet)')
})

test('--json is the list itself on one line', async () => {
  const { out } = await cli.type('links --json')
  expect(out.trimEnd()).not.toContain('\n')
  expect(JSON.parse(out)).toEqual(LINKS)
})

test('a link is set in the amounts people use, and only what is named', async () => {
  await cli.type('links set hq shop-7 --rate 2MB/s --hours 22:00-06:00 --budget 50GB')
  await cli.type('links set hq shop-7 --rate 20Mbit/s --hours none --forbid')
  await cli.type('links set default --allow --rate none')
  const { out } = await cli.type('links clear hq shop-7')
  expect(out).toBe('The link between hq and shop-7 is without bounds of its own.\n')
  expect(api.changes).toEqual([
    {
      request: 'PUT /cluster/links/hq/shop-7',
      body: { rate: 2_000_000, hours: '22:00-06:00', budget: 50_000_000_000 },
    },
    { request: 'PUT /cluster/links/hq/shop-7', body: { rate: 2_500_000, hours: null, forbidden: true } },
    { request: 'PUT /cluster/links/default', body: { rate: null, forbidden: false } },
    { request: 'DELETE /cluster/links/hq/shop-7', body: undefined },
  ])
})

test.each([
  ['links set hq shop-7', /say what to set/],
  ['links set hq --forbid', /a link is between two sites: flotilla links set hq OTHER/],
  ['links set hq shop-7 --forbid --allow', /exclude each other/],
  ['links set hq shop-7 --rate fast', /fast is not a rate such as 2MB\/s or 20Mbit\/s/],
  ['links set hq shop-7 --budget much', /much is not a size such as 50GB/],
  ['links clear hq', /a link is between two sites: flotilla links clear hq OTHER/],
])('%s is refused with what to type', async (words, complaint) => {
  const { code, err } = await cli.type(words)
  expect([code, err]).toEqual([2, expect.stringMatching(complaint)])
  expect(api.changes).toEqual([])
})
