import type { SimNode } from './node.ts'

/**
 * Whom the cluster owes something: who lies, or was thrown out and may not have heard of it, is left alone. Asked
 * of the node that most call a member, for any may have been put out that went back to an old disk.
 */
export function owed(nodes: readonly SimNode[]): SimNode[] {
  const honest = nodes.filter(({ gone, hostile }) => !gone && !hostile)
  const calls = (one: SimNode, { id }: Pick<SimNode, 'id'>) =>
    one.journal?.tables.get('nodes', id)?.state === 'member'
  // Who came back with nothing is called a member by others, and knows of none.
  const votes = (node: SimNode) => (calls(node, node) ? honest.filter((one) => calls(one, node)).length : 0)
  const [pivot] = [...honest].sort((a, b) => votes(b) - votes(a))
  if (!pivot) return []
  // Set back to when it had just been let in, by members that are none any more: only a new invite brings it back.
  const found = new Set(honest.filter((node) => calls(node, node)))
  const finds = (node: SimNode) =>
    node.seeds.some(({ id }) => calls(pivot, { id }) && [...found].some((one) => one.id === id))
  for (let before = -1; before < found.size; ) {
    before = found.size
    for (const node of honest) if (finds(node)) found.add(node)
  }
  return honest.filter((node) => node === pivot || (calls(pivot, node) && found.has(node)))
}
