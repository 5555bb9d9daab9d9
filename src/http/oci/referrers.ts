import { parseDigest } from '../../oci/digest.ts'
import { OCI_INDEX } from '../../oci/media-types.ts'
import { type Handler, single } from './call.ts'
import { nextLink, pageOf } from './paging.ts'

/** end-12a, end-12b: GET /v2/<name>/referrers/<digest>?artifactType= */
export const listReferrers: Handler = async ({ registry, name, rest, request, reply }) => {
  const subject = parseDigest(rest)
  const artifactType = single(request, 'artifactType')
  const asked = pageOf(request)
  const { items, next } = await registry.referrers.list(name, subject, { ...asked, artifactType })
  if (artifactType !== undefined) reply.header('oci-filters-applied', 'artifactType')
  if (next !== undefined) {
    const path = `/v2/${name}/referrers/${subject}`
    reply.header('link', nextLink(path, next, { n: asked.limit, artifactType }))
  }
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: items }
  return reply.type(OCI_INDEX).send(Buffer.from(JSON.stringify(index)))
}
