import type { Check } from '../runtime.ts'

/** As package.json's `engines` has it. */
const NODE_MIN = [22, 22, 2] as const

export function checkNode(version: string): Check {
  const found = version.split('.').map(Number)
  const index = NODE_MIN.findIndex((part, at) => part !== found[at])
  const isOld = index >= 0 && (found[index] ?? 0) < (NODE_MIN[index] ?? 0)
  if (!isOld) return { name: 'Node', status: 'ok', detail: version }
  const detail = `${version}; Flotilla needs ${NODE_MIN.join('.')} or newer`
  return { name: 'Node', status: 'fail', detail, advice: 'install a newer Node' }
}
