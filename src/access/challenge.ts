import type { Need, RegistryRequest } from '../registry/access.ts'
import { REGISTRY_SERVICE } from './tokens.ts'

/** What goes into a quoted string of a header must not end it. */
const HOST = /^[A-Za-z0-9._-]+(?::\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::\d{1,5})?$/
const BASIC = 'Basic realm="harbor"'

const SCOPE_ACTIONS = { pull: 'pull', push: 'pull,push', delete: 'delete' } as const

/**
 * The value of WWW-Authenticate as Harbor words it: where to fetch a token and for what; plain Basic once a
 * client has tried, and for the catalog.
 */
export function challengeFor(request: RegistryRequest, needs: readonly Need[]): string {
  if (request.authorization || needs.some((need) => 'catalog' in need) || !HOST.test(request.host)) {
    return BASIC
  }
  const scopes = needs.flatMap((need) =>
    'repository' in need ? [`repository:${quotable(need.repository)}:${SCOPE_ACTIONS[need.action]}`] : [],
  )
  const realm = `${request.scheme}://${request.host}/service/token`
  const scope = scopes.length > 0 ? `,scope="${scopes.join(' ')}"` : ''
  return `Bearer realm="${realm}",service="${REGISTRY_SERVICE}"${scope}`
}

function quotable(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._/-]/g, '')
}
