import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN_PASSWORD, type Client, founded, serve } from '../../../support/node.ts'
import { HandClock, Sites } from '../../../support/sites.ts'

const sites = new Sites(new HandClock())
let client: Client
beforeAll(async () => {
  client = await serve(sites, await founded(sites))
})
afterAll(() => sites.close())

const eviction = '/cluster/members/node2/eviction'

test.each([
  ['GET', '/projects?page=0', undefined, 'page must be a whole number from 1'],
  ['GET', '/conflicts?outcome=won', undefined, 'outcome must be refused or lost'],
  ['GET', '/conflicts?since=yesterday', undefined, 'since must be a time such as 2026-11-23T10:00:00Z'],
  ['GET', '/conflicts?site=', undefined, 'site must not be empty'],
  [
    'GET',
    `${eviction.replace('eviction', 'review')}?since=x&more=1`,
    undefined,
    /since must be a time .*; more is not known here/,
  ],
  ['POST', '/conflicts/nope/repair', {}, 'conflict must be a conflict’s id'],
  ['POST', eviction, { compromised: 'yes' }, 'compromised must be true or false'],
  ['POST', eviction, { accept_until: 'never' }, 'accept_until must be now or a number or an object'],
  ['POST', eviction, { accept_until: -1 }, 'accept_until must be'],
  ['POST', eviction, { reason: 'a\u0007b' }, 'reason may not hold control characters'],
  ['POST', eviction, { a: 1, b: 2 }, 'a, b are not known here'],
  ['POST', '/cluster/invites', {}, 'ttl_seconds is missing'],
  ['POST', '/cluster/invites', { ttl_seconds: 0 }, 'ttl_seconds must be at least 1'],
  [
    'POST',
    '/cluster/invites',
    { ttl_seconds: 60, scope: ['UP'] },
    'scope.0 is not of the form it has to have',
  ],
  ['POST', '/projects', { project_name: 'x', metadata: 3 }, 'metadata must be an object'],
  ['POST', '/cluster/invites', { ttl_seconds: 60, scope: [] }, 'scope must have at least 1 of them'],
  ['POST', eviction, { reason: 'a'.repeat(201) }, 'reason must have at most 200 characters'],
])('%s %s with %j is refused in a plain sentence', async (method, path, body, said) => {
  const { status, json, text } = await client.send(method, `/api/v2.0${path}`, {
    as: 'admin',
    password: ADMIN_PASSWORD,
    ...(body !== undefined && { body }),
  })
  const { message } = (json as { errors: { message: string }[] }).errors[0] ?? { message: text }
  expect(status).toBe(400)
  expect(message).toMatch(said)
  // Nothing of how it was found out.
  expect(message).not.toMatch(/^(?:path|query|body):|Invalid|Too (?:small|big)|expected|pattern|[/^$\\]/)
})
