import type { Body, KindName } from '../kinds.ts'

/**
 * The body of an op of that kind; undefined for one of another kind.
 * Only ops whose body fitted its kind's schema ever come here.
 */
export function bodyOf<K extends KindName>(
  op: { readonly kind: string; readonly body: unknown },
  kind: K,
): Body<K> | undefined {
  return op.kind === kind ? (op.body as Body<K>) : undefined
}
