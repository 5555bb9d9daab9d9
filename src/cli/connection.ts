import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { Fault } from '../errors.ts'
import type { CliContext } from './context.ts'
import { NodeApi } from './node-api.ts'
import { configFor } from './setting-flags.ts'

/** Beside the data: who may read the directory may run the node. */
export const CONTROL_SOCKET = 'control.sock'

interface ConnectionOptions {
  server?: string
  username?: string
  passwordStdin?: boolean
}

/** For every command that talks to a running node. */
export function addConnectionFlags(command: Command): Command {
  return command
    .optionsGroup('Another node than the one of the data directory:')
    .option('--server <URL>', 'http address of the node [FLOTILLA_SERVER]')
    .option('--username <NAME>', 'account there (default: admin) [FLOTILLA_USERNAME]')
    .option(
      '--password-stdin',
      'read its password from standard input, or from the file FLOTILLA_PASSWORD_FILE names',
    )
    .optionsGroup('Options:')
}

/** The node this command is about: `--server`, else the one that runs on the data directory. */
export async function connect(command: Command, context: CliContext): Promise<NodeApi> {
  const { environment, interrupted } = context
  const options = command.optsWithGlobals<ConnectionOptions>()
  const server = options.server ?? environment.FLOTILLA_SERVER
  if (!server) {
    if (options.username !== undefined) throw new Fault('USAGE', '--username goes with --server')
    if (options.passwordStdin)
      throw new Fault('USAGE', '--password-stdin goes with --server', passwordAdvice(command))
    return connectHere(command, context)
  }
  if (!/^https?:\/\/[^/?#\s]+\/?$/.test(server)) {
    throw new Fault('USAGE', `--server ${server}: must be http://host:port or https://host:port`)
  }
  const username = options.username ?? (environment.FLOTILLA_USERNAME || 'admin')
  const password = await passwordFor(username, server, options, context)
  return new NodeApi({ server: server.replace(/\/$/, ''), username, password }, interrupted)
}

/** The node that runs on the data directory, for what crosses no network. */
export function connectHere(command: Command, context: CliContext): NodeApi {
  const { config } = configFor(command, context)
  return new NodeApi({ socket: join(config.dataDir, CONTROL_SOCKET) }, context.interrupted)
}

/** Ignored, it would leave somebody believing that the password they piped was set. */
function passwordAdvice(command: Command): { advice?: string } {
  const other = command.options.some(({ long }) => long === '--new-password-stdin')
  return other ? { advice: 'the password to set is read with --new-password-stdin' } : {}
}

async function passwordFor(
  username: string,
  server: string,
  options: ConnectionOptions,
  { environment, terminal, cwd }: CliContext,
): Promise<string> {
  const file = environment.FLOTILLA_PASSWORD_FILE
  if (options.passwordStdin) return terminal.readInput()
  if (file) {
    try {
      return readFileSync(resolve(cwd, file), 'utf8').replace(/\r?\n$/, '')
    } catch (error) {
      throw new Fault('PASSWORD_UNREADABLE', `FLOTILLA_PASSWORD_FILE=${file} cannot be read`, {}, error)
    }
  }
  if (terminal.interactive) return terminal.askPassword(`Password of ${username} at ${server}`)
  const advice = 'pipe it: `printf %s "$PASSWORD" | flotilla … --password-stdin`'
  throw new Fault('USAGE', `the password of ${username} is needed`, { advice })
}
