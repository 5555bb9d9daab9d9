import { afterAll, expect, test } from 'vitest'
import { exposition } from '../../../../src/http/metrics/exposition.ts'
import { ledgerMetrics } from '../../../../src/http/metrics/ledger-metrics.ts'
import { metricsRoutes } from '../../../../src/http/metrics/routes.ts'
import { ADMIN_PASSWORD, assemble, founded, serve, user } from '../../../support/node.ts'
import { HandClock, Sites } from '../../../support/sites.ts'
import { STATUS } from '../../cli/management-api.ts'

const sites = new Sites(new HandClock())
afterAll(() => sites.close())

const LINE = /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+="([^"\\\n]|\\["\\n])*",?)+\})? -?[0-9.e+]+)$/

test('numbers are for administrators alone, in the text Prometheus reads', async () => {
  const node = await founded(sites)
  await user(node, 'alice')
  const topology = { ...node.api.topology, status: async () => STATUS }
  const module = metricsRoutes({ ...node.api, topology }, { door: 'public' })
  const client = await serve(sites, assemble(node.site, sites), [module])
  expect((await client.send('GET', '/metrics')).status).toBe(401)
  expect((await client.send('GET', '/metrics', { as: 'alice' })).status).toBe(403)
  expect((await client.send('GET', '/metrics', { as: 'admin', password: 'wrong' })).status).toBe(401)
  const answer = await client.send('GET', '/metrics', { as: 'admin', password: ADMIN_PASSWORD })
  expect(answer).toMatchObject({
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' },
  })
  expect(answer.text).toMatch(/\n$/)
  for (const line of answer.text.trimEnd().split('\n')) expect(line).toMatch(LINE)
  expect(answer.text).toContain(
    `flotilla_member_lag_entries{node="${STATUS.members[1]?.id}",name="node2"} 12\n`,
  )
  expect(answer.text).toContain('flotilla_ledger_feeds 4\n')
})

test('refusals are counted by their code, damage and what was mended of it beside them', () => {
  const text = exposition(
    ledgerMetrics({
      ...STATUS,
      refused: { ENTRY_FORGED: 3, SNAPSHOT_INVALID: 1 },
      ledger: {
        ...STATUS.ledger,
        forks: 1,
        writable: false,
        parked: { blocks: 5, bytes: 900 },
        damagedEntries: 2,
        damagedTables: ['catalog'],
        mendedRows: 4,
      },
    }),
  )
  for (const line of [
    'flotilla_ledger_refused_total{code="ENTRY_FORGED"} 3',
    'flotilla_ledger_refused_total{code="SNAPSHOT_INVALID"} 1',
    'flotilla_ledger_parked_entries 5',
    'flotilla_ledger_parked_bytes 900',
    'flotilla_ledger_forks 1',
    'flotilla_ledger_writable 0',
    'flotilla_ledger_damaged_entries 2',
    'flotilla_ledger_damaged_tables 1',
    'flotilla_ledger_mended_rows_total 4',
  ])
    expect(text.split('\n')).toContain(line)
})

test('a name cannot say more than a name', () => {
  const [first] = STATUS.members
  const members = [{ ...first!, self: false, name: 'x"} 1\nflotilla_forged 1\\' }]
  const lines = exposition(ledgerMetrics({ ...STATUS, members })).split('\n')
  expect(lines.filter((line) => line.startsWith('flotilla_forged'))).toEqual([])
  for (const line of lines.filter(Boolean)) expect(line).toMatch(LINE)
})
