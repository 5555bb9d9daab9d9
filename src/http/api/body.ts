import type { FastifyInstance } from 'fastify'
import { Fault } from '../../errors.ts'
import { type Json, parseStrictJson } from '../../oci/json.ts'

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
        const value = body.length === 0 ? undefined : parseStrictJson(body as Buffer)
        refusePrototypes(value)
        done(null, value)
      } catch (error) {
        done(error as Error)
      }
    },
  )
}

/** A key that means an object's prototype is in no body; some readers drop it, and nothing is dropped here. */
function refusePrototypes(value: Json | undefined): void {
  if (typeof value !== 'object' || value === null) return
  if (Object.hasOwn(value, '__proto__')) throw new Fault('BAD_REQUEST', 'body: __proto__ is no field')
  for (const inner of Object.values(value)) refusePrototypes(inner)
}
