import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { shortId } from '../amounts.ts'
import type { CliContext } from '../context.ts'
import { addSettingFlags, configFor, nextCommand } from '../setting-flags.ts'
import { serve } from './serve.ts'

export function addJoin(program: Command, context: CliContext): void {
  const command = program
    .command('join')
    .argument('<invite>', 'the text `flotilla invite` printed, or - to read it from standard input')
    .summary('make a node and enter a cluster with it')
    .description(
      'Makes a node in the data directory and enters the cluster that invited it. Where the invite asks for a\n' +
        'second consent it waits for that, at most half an hour at a time: typed again, it waits on. A member whose\n' +
        'term is over, or who was away while the network key was changed, comes in again by a new invite.',
    )
    .option('--serve', 'go on running the node')
    .option('--json', 'print one line of JSON')
  addSettingFlags(command).action((invite: string) => join(invite, command, context))
}

async function join(argument: string, command: Command, context: CliContext): Promise<void> {
  const { runtime, terminal, interrupted } = context
  const options = command.opts<{ serve?: boolean; json?: boolean }>()
  const { config } = configFor(command, context)
  const invite = (argument === '-' ? await terminal.readInput() : argument).trim()
  if (invite === '')
    throw new Fault('USAGE', 'the invite is empty; `flotilla invite` on a running node prints one')
  const onPending = (nodeId: string) =>
    terminal.err(
      `${config.node.name} (${shortId(nodeId)}) is admitted, and waits for another administrator than the one who\n` +
        `invited it to agree, at any member:\n\n  flotilla node approve ${config.node.name}\n`,
    )
  const joined = await runtime.join(config, invite, { signal: interrupted, onPending })
  if (options.json) {
    // Named one by one: the product hands back more than is for printing.
    const { clusterId, clusterName, nodeId } = joined
    const { name, site } = config.node
    terminal.out(JSON.stringify({ clusterId, clusterName, nodeId, name, site }))
  } else {
    terminal.out(
      [
        `${terminal.paint('bold', config.node.name)} is a member of cluster ${terminal.paint('bold', joined.clusterName)}.`,
        '',
        `  cluster   ${joined.clusterId}`,
        `  node      ${joined.nodeId}  (site ${config.node.site})`,
        `  data      ${config.dataDir}`,
        ...(options.serve ? [] : ['', 'Next:', `  ${nextCommand(command, 'serve')}`]),
      ].join('\n'),
    )
  }
  if (options.serve) await serve(command, config, context)
}
