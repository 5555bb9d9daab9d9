import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/*
 * What is kept of the cluster:
 *
 *   state.json      this
 *   lock            pid of the script that changes it
 *   node1.yaml      settings of a node
 *   node1.log       what it wrote
 *   node1/          its data directory
 *   example/        an image to push, as an OCI layout
 */
export interface NodeState {
  readonly name: string
  readonly site: string
  readonly ports: { readonly http: number; readonly cluster: number; readonly swarm: number }
  /** Of the process that was started last. */
  readonly pid: number | null
  /** False until init or join has been through: what is in the data directory is then half a node. */
  readonly member: boolean
  /** Its id in the cluster, once it has one. */
  readonly id?: string
  /** It left, or was evicted, and will not come back. */
  readonly out?: 'left' | 'evicted'
}

export class LocalState {
  readonly dir: string

  constructor(dir: string) {
    this.dir = dir
  }

  nodes(): NodeState[] {
    try {
      return (JSON.parse(readFileSync(join(this.dir, 'state.json'), 'utf8')) as { nodes: NodeState[] }).nodes
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw new Error(`${join(this.dir, 'state.json')} cannot be read; begin anew with --fresh`, {
        cause: error,
      })
    }
  }

  /** Adds the node, or replaces the one of its name. */
  put(node: NodeState): void {
    const nodes = this.nodes()
    const index = nodes.findIndex(({ name }) => name === node.name)
    if (index < 0) nodes.push(node)
    else nodes[index] = node
    const file = join(this.dir, 'state.json')
    writeFileSync(`${file}.new`, `${JSON.stringify({ nodes }, null, 2)}\n`)
    renameSync(`${file}.new`, file)
  }

  dataDir({ name }: NodeState): string {
    return join(this.dir, name)
  }

  logFile({ name }: NodeState): string {
    return join(this.dir, `${name}.log`)
  }

  settingsFile({ name }: NodeState): string {
    return join(this.dir, `${name}.yaml`)
  }

  /** Everything of this cluster; never more than what this script makes. */
  wipe(): void {
    const names = this.nodes().map(({ name }) => name)
    const made = names.flatMap((name) => [name, `${name}.log`, `${name}.yaml`])
    for (const entry of [...made, 'state.json', 'example', 'pulled']) {
      rmSync(join(this.dir, entry), { recursive: true, force: true })
    }
  }

  /** One script at a time. The lock of one that has died is taken over. */
  lock(): void {
    mkdirSync(this.dir, { recursive: true, mode: 0o700 })
    const file = join(this.dir, 'lock')
    for (;;) {
      try {
        writeFileSync(file, `${process.pid}\n`, { flag: 'wx' })
        process.on('exit', () => rmSync(file, { force: true }))
        return
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
        const holder = Number(readFileSync(file, 'utf8'))
        if (isAlive(holder))
          throw new Error(`scripts/up is running already (process ${holder})`, { cause: error })
        rmSync(file, { force: true })
      }
    }
  }
}

export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
