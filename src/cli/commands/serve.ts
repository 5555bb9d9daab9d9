import type { Command } from 'commander'
import type { Config } from '../../config/config.ts'
import { Fault } from '../../errors.ts'
import type { CliContext } from '../context.ts'
import { formatLogLine } from '../log-lines.ts'
import { addSettingFlags, configFor, nextCommand } from '../setting-flags.ts'

export function addServe(program: Command, context: CliContext): void {
  const command = program
    .command('serve')
    .summary('run the node of the data directory')
    .description(
      'Runs the node of the data directory until SIGINT or SIGTERM. On a terminal it logs lines for people,\n' +
        'elsewhere JSON, one object a line.',
    )
  addSettingFlags(command).action(() => serve(command, configFor(command, context).config, context))
}

/** Runs the node to its end; shared with `join --serve`. */
export async function serve(command: Command, config: Config, context: CliContext): Promise<void> {
  const { runtime, terminal, interrupted } = context
  const forPeople = terminal.outputIsTerminal
  const log = forPeople ? { write: (line: string) => terminal.out(formatLogLine(line, terminal)) } : undefined
  const node = await runtime.serve(config, { log })
  if (forPeople) {
    terminal.out(
      [
        '',
        `${terminal.paint('bold', config.node.name)} serves cluster ${terminal.paint('bold', node.clusterName)} at site ${config.node.site}.`,
        '',
        `  clients   ${node.urls.join('  ')}`,
        ...node.addresses.map((address, index) => `  ${index === 0 ? 'members ' : '        '}  ${address}`),
        '',
        `  ${nextCommand(command, 'status')}     who is here, and in sync`,
        `  ${nextCommand(command, 'invite')}     let another node in`,
        '  Ctrl-C                 stop',
        '',
      ].join('\n'),
    )
  }
  const asked = new Promise<undefined>((resolve) => {
    if (interrupted.aborted) resolve(undefined)
    interrupted.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  const reason = await Promise.race([asked, node.ended])
  if (forPeople && reason === undefined) terminal.out('stopping; a second Ctrl-C does not wait')
  await node.stop()
  if (reason !== undefined) throw new Fault('NODE_ENDED', `the node has stopped: ${reason}`)
}
