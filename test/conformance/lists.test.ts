import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OciClient, sha256 } from '../support/oci-client.ts'
import { openAccess, type ServerUnderTest, startRegistry } from '../support/registry.ts'

let server: ServerUnderTest
let client: OciClient

/** Open, except that nobody but root may see what is in `hidden`. */
const access: typeof openAccess = {
  authorize: async (request, needs) => {
    const { principal } = await openAccess.authorize(request, needs)
    return { principal, mayPull: (name) => principal === 'root' || !name.startsWith('hidden/') }
  },
}

const TAGS = ['1', '1.0', '1.0.1', '2', 'A', 'Z', '_x', 'a', 'b', 'latest', 'z-9']

beforeAll(async () => {
  server = await startRegistry({ projects: ['alpha', 'alpha-2', 'hidden', 'team'], access })
  client = new OciClient(server.url, 'alice')
  const text = JSON.stringify(await client.image('team/tags'))
  // In no order, so that the list has to make one.
  for (const tag of TAGS.toReversed()) await client.pushManifest('team/tags', tag, text)
  for (const repository of ['alpha/z', 'alpha/a/b', 'alpha/a', 'alpha-2/a', 'hidden/a']) {
    await client.pushManifest(repository, 'v1', await client.image(repository))
  }
  await client.pushBlob('team/only-a-blob', 'x')
})
afterAll(async () => {
  client.close()
  await server.close()
})

async function pages(path: string, key: 'tags' | 'repositories', as = client): Promise<string[][]> {
  const all: string[][] = []
  let next: string | undefined = path
  while (next !== undefined) {
    const { status, headers, ...page } = await as.send('GET', next)
    expect(status).toBe(200)
    all.push((page.json() as Record<typeof key, string[]>)[key])
    next = /<([^>]+)>; rel="next"/.exec(String(headers.link))?.[1]
  }
  return all
}

describe('the tags of a repository', () => {
  const list = '/v2/team/tags/tags/list'

  it('come in order of their bytes, all on one page where they fit', async () => {
    expect(await pages(list, 'tags')).toEqual([TAGS])
  })

  it.each([1, 2, 3, 10, 11, 12])('come in pages of %i that leave none out and repeat none', async (n) => {
    const got = await pages(`${list}?n=${n}`, 'tags')
    expect(got.flat()).toEqual(TAGS)
    expect(got.every((page) => page.length > 0 && page.length <= n)).toBe(true)
  })

  it('go on after `last`, whether there is such a tag or not', async () => {
    expect(await pages(`${list}?last=Z`, 'tags')).toEqual([TAGS.slice(TAGS.indexOf('Z') + 1)])
    expect(await pages(`${list}?last=aa`, 'tags')).toEqual([['b', 'latest', 'z-9']])
    expect(await pages(`${list}?last=zzz`, 'tags')).toEqual([[]])
    expect(await pages(`${list}?last=${encodeURIComponent('\0')}`, 'tags')).toEqual([TAGS])
    expect(await pages(`${list}?last=${encodeURIComponent('\u{10FFFF}')}`, 'tags')).toEqual([[]])
  })

  it('are none, and no further page, for n=0', async () => {
    const got = await client.send('GET', `${list}?n=0`)
    expect(got.json()).toEqual({ name: 'team/tags', tags: [] })
    expect(got.headers.link).toBeUndefined()
  })

  it.each(['1000000000000', '1001', '999999999999999'])(
    'for n=%s are still served within our bound',
    async (n) => {
      expect(await pages(`${list}?n=${n}`, 'tags')).toEqual([TAGS])
    },
  )

  it('come a thousand at a time at most, whatever is asked for', async () => {
    const text = JSON.stringify(await client.image('team/many'))
    const tags = Array.from({ length: 1050 }, (_, at) => `t${String(at).padStart(4, '0')}`)
    for (let from = 0; from < tags.length; from += 100) {
      const query = tags.slice(from, from + 100).map((tag) => `tag=${tag}`)
      await client.pushManifest('team/many', `${sha256(text)}?${query.join('&')}`, text)
    }
    for (const query of ['', '?n=1000000000000', '?n=1001']) {
      const got = await pages(`/v2/team/many/tags/list${query}`, 'tags')
      expect(got.map((page) => page.length)).toEqual([1000, 50])
      expect(got.flat()).toEqual(tags)
    }
    await client.send('DELETE', `/v2/team/many/manifests/${sha256(text)}`)
  })

  it.each(['-1', 'NaN', '', 'x', '1.5', '1e3', '0x10', '9'.repeat(16), '1&n=2', '%00'])(
    'for n=%s are refused',
    async (n) => {
      const got = await client.send('GET', `${list}?n=${n}`)
      expect(got.status).toBe(400)
    },
  )

  it('of a repository nobody pushed to are 404', async () => {
    const got = await client.send('GET', '/v2/team/nobody/tags/list')
    expect(got.status).toBe(404)
    expect(got.errorCode()).toBe('NAME_UNKNOWN')
  })

  it('of a project that is not there are 404 with a word about it', async () => {
    const got = await client.send('GET', '/v2/nobody/app/tags/list')
    expect(got.status).toBe(404)
    expect(got.json()).toMatchObject({
      errors: [{ code: 'NAME_UNKNOWN', message: 'there is no project nobody' }],
    })
  })
})

describe('the catalog', () => {
  const visible = ['alpha/a', 'alpha/a/b', 'alpha/z', 'alpha-2/a', 'team/tags']

  it('holds every repository the caller may see, and none with nothing in it', async () => {
    expect(await pages('/v2/_catalog', 'repositories')).toEqual([visible])
    const root = new OciClient(server.url, 'root')
    expect((await pages('/v2/_catalog', 'repositories', root)).flat()).toContain('hidden/a')
    root.close()
  })

  it.each([1, 2, 4, 5])('comes in pages of %i', async (n) => {
    const got = await pages(`/v2/_catalog?n=${n}`, 'repositories')
    expect(got.flat()).toEqual(visible)
    expect(got.every((page) => page.length <= n)).toBe(true)
  })

  it('is read, and nothing else', async () => {
    const got = await client.send('POST', '/v2/_catalog')
    expect(got.status).toBe(405)
    expect(got.headers.allow).toBe('GET')
    expect(got.errorCode()).toBe('UNSUPPORTED')
  })
})
