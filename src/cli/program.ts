import { Command, Option } from 'commander'
import { flagOf, settings } from '../config/settings.ts'
import { addBlob } from './commands/blob.ts'
import { addCheck } from './commands/check.ts'
import { addCompletion } from './commands/completion.ts'
import { addConfig } from './commands/config.ts'
import { addConflicts } from './commands/conflicts.ts'
import { addDoctor } from './commands/doctor.ts'
import { addEvict } from './commands/evict.ts'
import { addInit } from './commands/init.ts'
import { addInvite, addInvites } from './commands/invite.ts'
import { addJoin } from './commands/join.ts'
import { addLeave } from './commands/leave.ts'
import { addLinks } from './commands/links.ts'
import { addNetwork } from './commands/network.ts'
import { addNode, addNodes } from './commands/node.ts'
import { addPlacement } from './commands/placement.ts'
import { addProject } from './commands/project.ts'
import { addRecover } from './commands/recover.ts'
import { addServe } from './commands/serve.ts'
import { addStatus } from './commands/status.ts'
import { addUser } from './commands/user.ts'
import { addVersion } from './commands/version.ts'
import type { CliContext } from './context.ts'

/** The whole command line; nothing runs before `parseAsync`. */
export function buildProgram(context: CliContext): Command {
  const { terminal } = context
  const program = new Command('flotilla')
    .description('A container registry that is a peer-to-peer cluster')
    .version(context.runtime.version, '-V, --version', 'print the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.replace(/\n$/, '')),
      writeErr: (text) => terminal.err(text.replace(/\n$/, '')),
      outputError: (text, write) => write(text.replace(/^error: /, 'flotilla: ')),
      getOutHelpWidth: () => Math.min(terminal.columns, 110),
      getErrHelpWidth: () => Math.min(terminal.columns, 110),
    })
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .showHelpAfterError('(`flotilla help` lists the commands, `--help` after one explains it)')
    .helpCommand('help [command]', 'explain a command')
    .option(
      '-c, --config <FILE>',
      'settings file (default: ./flotilla.yaml, then /etc/flotilla/flotilla.yaml)',
    )
    .addOption(new Option(`-d, ${flagOf('dataDir')} <DIR>`, settings.dataDir.doc))
    .option('--debug', 'show stack traces')
    .addHelpText('after', FIRST_STEPS)

  program.commandsGroup('Nodes:')
  addInit(program, context)
  addServe(program, context)
  addJoin(program, context)
  addLeave(program, context)
  addDoctor(program, context)
  addCheck(program, context)
  program.commandsGroup('Cluster:')
  addStatus(program, context)
  addNodes(program, context)
  addNode(program, context)
  addInvite(program, context)
  addInvites(program, context)
  addEvict(program, context)
  addConflicts(program, context)
  addLinks(program, context)
  addNetwork(program, context)
  addRecover(program, context)
  addUser(program, context)
  addProject(program, context)
  addPlacement(program, context)
  addBlob(program, context)
  program.commandsGroup('This program:')
  addConfig(program, context)
  addCompletion(program, context)
  addVersion(program, context)
  return program
}

const FIRST_STEPS = `
First steps:
  flotilla init && flotilla serve        found a cluster with this node
  flotilla invite                        on it: let another node in
  flotilla join INVITE --serve           on the other one`
