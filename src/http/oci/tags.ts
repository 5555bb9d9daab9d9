import { type Handler } from './call.ts'
import { nextLink, pageOf } from './paging.ts'

/** end-8a, end-8b: GET /v2/<name>/tags/list?n=&last= */
export const listTags: Handler = async ({ registry, name, request, reply }) => {
  const asked = pageOf(request)
  const { items, next } = await registry.tags.list(name, asked)
  if (next !== undefined) {
    reply.header('link', nextLink(`/v2/${name}/tags/list`, next, { n: asked.limit }))
  }
  return reply.type('application/json').send(Buffer.from(JSON.stringify({ name, tags: items })))
}
