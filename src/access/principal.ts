import type { Tables } from '../journal/journal.ts'

/** Who asks. */
export type Principal =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'user'; readonly id: string }
  /** Whoever may open this node's control socket (0600): the machine's own administrator. */
  | { readonly kind: 'operator' }

export const ANONYMOUS: Principal = { kind: 'anonymous' }
export const OPERATOR: Principal = { kind: 'operator' }

/**
 * On whose behalf something is written, with the question whether they may. It is asked again inside the
 * commit's own turn, so that a right that was taken away a moment ago writes nothing.
 */
export interface Acting {
  /** A user id, or `node`. */
  readonly actor: string
  /** @throws Fault when they may not */
  permit(tables: Pick<Tables, 'get'>): void
}

/** The node itself, laying its foundations: nobody is there to be asked. */
export const NODE_ITSELF: Acting = { actor: 'node', permit: () => {} }

/** The name an op keeps of its author: the operator speaks for the node. */
export function actorOf(principal: Principal): string {
  if (principal.kind === 'user') return principal.id
  return principal.kind === 'operator' ? 'node' : 'anonymous'
}
