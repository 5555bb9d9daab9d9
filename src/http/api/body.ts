import type { FastifyInstance } from 'fastify'
import { parseStrictJson } from '../../oci/json.ts'

/** The largest body is a project with all its settings; this is ten of them. */
const API_BODY_BYTES_MAX = 64 * 1024

/** JSON and nothing else, read the one way it can be read: no key twice, valid UTF-8, bounded depth. */
export function acceptJson(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: API_BODY_BYTES_MAX },
    (_request, body, done) => {
      try {
        // Clients name the type of bodies they do not send.
        done(null, body.length === 0 ? undefined : parseStrictJson(body as Buffer))
      } catch (error) {
        done(error as Error)
      }
    },
  )
}
