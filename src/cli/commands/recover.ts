import type { Command } from 'commander'
import { signedWords } from '../../access/recovery.ts'
import { Fault } from '../../errors.ts'
import { signWithRecoveryKey } from '../../runtime/recovery-key.ts'
import { connectHere } from '../connection.ts'
import type { CliContext } from '../context.ts'

interface Challenge {
  readonly cluster: string
  readonly user: string
  readonly password_hash: string
  readonly epoch: number
}

/**
 * Talks to the running node of the data directory, and to no other: a second writer of a stopped node's
 * journal could not know whether the node had written more elsewhere (incarnations). The key itself never
 * leaves this process; the node is given a signature.
 */
export function addRecover(program: Command, context: CliContext): void {
  const command = program
    .command('recover')
    .argument('<user>', 'the account to make an administrator')
    .summary('make an administrator with the recovery key')
    .description(
      'Makes an account an administrator again with a new password, whatever was taken from it, by the recovery\n' +
        'key that `flotilla init` showed. Ends all administrators’ sessions and changes the network key. The node\n' +
        'of the data directory must run. Standard input: the recovery key on the first line, the new password on\n' +
        'the second; on a terminal both are asked for.',
    )
    .option('--json', 'print one line of JSON')
  command.action((user: string) => recover(user, command, context))
}

async function recover(username: string, command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const api = connectHere(command, context)
  const { key, password } = await secrets(context)
  const { body } = await api.post('/cluster/recovery/challenge', { username, password })
  const { cluster, user, password_hash: passwordHash, epoch } = body as Challenge
  const signature = signWithRecoveryKey(key, signedWords({ cluster, user, passwordHash, epoch }))
  const { body: answer } = await api.post('/cluster/recovery', {
    user,
    password_hash: passwordHash,
    epoch,
    signature: Buffer.from(signature).toString('base64url'),
  })
  if (command.opts<{ json?: boolean }>().json) return terminal.out(JSON.stringify(answer))
  terminal.out(
    [
      `${username} is an administrator, with the new password.`,
      'Sessions of all administrators have ended, and the network key is changed.',
      'Next: look through `flotilla user list`, `flotilla nodes` and `flotilla invites` for what should not be there.',
    ].join('\n'),
  )
}

async function secrets({ terminal }: CliContext): Promise<{ key: string; password: string }> {
  if (terminal.interactive) {
    const key = await terminal.askPassword('Recovery key')
    return { key, password: await terminal.askPassword('New password') }
  }
  const [key = '', password = ''] = (await terminal.readInput()).split(/\r?\n/)
  if (key.trim() === '' || password === '')
    throw new Fault(
      'USAGE',
      'standard input: the recovery key on the first line, the new password on the second',
    )
  return { key, password }
}
