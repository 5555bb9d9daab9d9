import type { Command } from 'commander'
import type { CliContext } from '../context.ts'

export function addVersion(program: Command, { runtime, terminal }: CliContext): void {
  const command = program
    .command('version')
    .description('print the versions of this program and of Node')
    .option('--json', 'print one line of JSON')
    .action(() => {
      const facts = {
        version: runtime.version,
        node: process.versions.node,
        platform: `${process.platform}-${process.arch}`,
      }
      const { json } = command.opts<{ json?: boolean }>()
      terminal.out(
        json ? JSON.stringify(facts) : `flotilla ${facts.version} (Node ${facts.node}, ${facts.platform})`,
      )
    })
}
