import { z } from 'zod'
import { Fault, isFault } from '../../errors.ts'
import { onSystem } from './gate.ts'
import { type Route, route } from './route.ts'

/** Only at the control socket: what is at stake here crosses no network. */
function operatorOnly({ principal }: { readonly principal: { readonly kind: string } }): void {
  if (principal.kind === 'operator') return
  throw new Fault('FORBIDDEN', 'the cluster is recovered at a node’s control socket only')
}

/** The recovery key in two steps, so that it stays with whoever holds it: what to sign, then the signature. */
export const recoveryRoutes: readonly Route[] = [
  route({
    method: 'POST',
    url: '/cluster/recovery/challenge',
    gate: onSystem('cluster:recover'),
    body: z.strictObject({ username: z.string().max(255), password: z.string().max(1024) }),
    async handle(call) {
      operatorOnly(call)
      const { username, password } = call.body
      const { cluster, user, passwordHash, epoch } = await call.parts.recovery.challenge(username, password)
      return { status: 200, body: { cluster, user, password_hash: passwordHash, epoch } }
    },
  }),

  route({
    method: 'POST',
    url: '/cluster/recovery',
    gate: onSystem('cluster:recover'),
    body: z.strictObject({
      user: z.string().max(64),
      password_hash: z.string().max(300),
      epoch: z.number().int().min(1),
      signature: z.base64url().max(100),
    }),
    async handle(call) {
      operatorOnly(call)
      const { body, parts, by } = call
      const { user, password_hash: passwordHash, epoch } = body
      await parts.recovery.recover(
        { user, passwordHash, epoch },
        Buffer.from(body.signature, 'base64url'),
        by,
      )
      const key = await parts.topology.rotateNetworkKey(by).catch((error: unknown) => {
        // A node that runs alone has no wire.
        if (isFault(error, 'NO_CLUSTER')) return null
        throw error
      })
      return { status: 200, body: { network_key: key } }
    },
  }),
]
