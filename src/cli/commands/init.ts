import type { Command } from 'commander'
import type { CliContext } from '../context.ts'
import { addSettingFlags, configFor, nextCommand } from '../setting-flags.ts'

interface InitFlags {
  clusterName: string
  adminPasswordStdin?: boolean
  json?: boolean
}

export function addInit(program: Command, context: CliContext): void {
  const command = program
    .command('init')
    .summary('make a node and found a cluster with it')
    .description(
      'Makes a node in the data directory and founds a cluster with it. Prints the password of the first\n' +
        'administrator, once: it is generated, unless FLOTILLA_ADMIN_PASSWORD(_FILE) or --admin-password-stdin gives it.\n' +
        'Prints the cluster’s recovery key, once.',
    )
    .option('--cluster-name <NAME>', 'name of the cluster, for people', 'flotilla')
    .option('--admin-password-stdin', 'read the first administrator’s password from standard input')
    .option('--json', 'print one line of JSON')
  addSettingFlags(command).action(() => init(command, context))
}

async function init(command: Command, context: CliContext): Promise<void> {
  const { runtime, terminal } = context
  const options = command.opts<InitFlags>()
  const { config } = configFor(command, context)
  const given = options.adminPasswordStdin ? await terminal.readInput() : config.admin.password
  const founded = await runtime.init(config, { clusterName: options.clusterName, adminPassword: given })
  // What somebody gave they know; it need not be on a screen too.
  const password = given === null ? founded.admin.password : null
  if (options.json) {
    const { clusterId, nodeId, recoveryKey } = founded
    const admin = { username: founded.admin.username, password }
    terminal.out(JSON.stringify({ clusterId, nodeId, admin, recoveryKey }))
    return
  }
  terminal.out(
    [
      `Cluster ${terminal.paint('bold', options.clusterName)} is founded.`,
      '',
      `  cluster   ${founded.clusterId}`,
      `  node      ${founded.nodeId}  (${config.node.name}, site ${config.node.site})`,
      `  data      ${config.dataDir}`,
      '',
      'The first administrator:',
      `  user      ${founded.admin.username}`,
      password === null
        ? '  password  the one you gave'
        : `  password  ${terminal.paint('bold', password)}   (shown this once; nothing keeps it in clear)`,
      '',
      'The recovery key makes an administrator where none is left, or none can be trusted (flotilla recover).',
      'It is shown this once and kept nowhere: put it on paper, where nobody finds it by chance.',
      `  ${terminal.paint('bold', founded.recoveryKey)}`,
      '',
      'Next:',
      `  ${nextCommand(command, 'serve')}`,
      `  ${nextCommand(command, 'invite')}     while it runs, to let another node in`,
    ].join('\n'),
  )
}
