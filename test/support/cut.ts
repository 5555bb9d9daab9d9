import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { NodeProcess } from './cluster.ts'

const run = promisify(execFile)

/** Swallows every packet of the members' own ports, as a dead link does. @returns what brings the link back */
export async function cut(iptables: string, nodes: readonly NodeProcess[]): Promise<() => Promise<void>> {
  const ports = nodes.flatMap((node) => [node.ports.cluster, node.ports.swarm]).join(',')
  const rules = ['--dports', '--sports'].map((which) => [
    'INPUT',
    '-i',
    'lo',
    '-p',
    'tcp',
    '-m',
    'multiport',
    which,
    ports,
    '-j',
    'DROP',
  ])
  for (const rule of rules) await run(iptables, ['-I', ...rule])
  let isCut = true
  return async () => {
    if (!isCut) return
    isCut = false
    for (const rule of rules) await run(iptables, ['-D', ...rule])
  }
}
