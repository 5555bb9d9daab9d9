import type { Command } from 'commander'
import { generatePassword } from '../../access/password-policy.ts'
import { Fault } from '../../errors.ts'
import type { ApiUser } from '../api-shapes.ts'
import { confirmed } from '../confirm.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import type { NodeApi } from '../node-api.ts'
import { quoted } from '../setting-flags.ts'
import { table } from '../table.ts'

interface CreateFlags {
  admin?: boolean
  email?: string
  realname?: string
  newPasswordStdin?: boolean
  json?: boolean
}

export function addUser(program: Command, context: CliContext): void {
  const { terminal } = context
  const user = program.command('user').description('people who may log in')

  const list = user.command('list').description('list all users').option('--json', 'print one line of JSON')
  addConnectionFlags(list).action(async () => {
    const users = await (await connect(list, context)).list<ApiUser>('/users')
    users.sort((a, b) => a.username.localeCompare(b.username))
    if (list.opts<{ json?: boolean }>().json) return terminal.out(JSON.stringify(users))
    const rows = users.map((one) => [
      one.username,
      one.sysadmin_flag ? 'administrator' : 'user',
      one.email || '-',
      one.creation_time,
    ])
    terminal.out(table(['user', 'kind', 'email', 'created'], rows))
  })

  const create = user
    .command('create')
    .argument('<name>')
    .description('make a user; the password is asked for, or generated and printed once')
    .option('--admin', 'an administrator of the cluster')
    .option('--email <ADDRESS>', 'for notifications', '')
    .option('--realname <NAME>', 'as people call them', '')
    .option('--new-password-stdin', 'read the new user’s password from standard input')
    .option('--json', 'print one line of JSON')
  addConnectionFlags(create).action((name: string) => createUser(name, create, context))

  const remove = user
    .command('delete')
    .argument('<name>')
    .description('delete a user')
    .option('-y, --yes', 'do not ask')
  addConnectionFlags(remove).action(async (name: string) => {
    const api = await connect(remove, context)
    const { user_id, username } = await findUser(api, name)
    await confirmed(`Delete ${username}?`, remove, context)
    await api.delete(`/users/${user_id}`)
    terminal.out(`${username} is deleted; what they are logged in with stops working.`)
  })

  const password = user
    .command('password')
    .argument('<name>')
    .description('set a new password; asked for, or generated and printed once')
    .option('--new-password-stdin', 'read it from standard input')
  addConnectionFlags(password).action((name: string) => setPassword(name, password, context))

  const admin = user
    .command('admin')
    .argument('<name>')
    .argument('<on|off>')
    .description('make a user an administrator of the cluster, or no longer one')
  addConnectionFlags(admin).action(async (name: string, state: string) => {
    if (state !== 'on' && state !== 'off') throw new Fault('USAGE', `${state}: must be on or off`)
    const api = await connect(admin, context)
    const { user_id, username } = await findUser(api, name)
    await api.put(`/users/${user_id}/sysadmin`, { sysadmin_flag: state === 'on' })
    terminal.out(`${username} is ${state === 'on' ? 'an administrator now' : 'no administrator any more'}.`)
  })
}

async function createUser(name: string, command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const options = command.opts<CreateFlags>()
  const api = await connect(command, context)
  const { password, generated } = await newPassword(name, options.newPasswordStdin, context)
  const { location } = await api.post('/users', {
    username: name,
    email: options.email ?? '',
    realname: options.realname ?? '',
    comment: '',
    password,
  })
  if (options.admin) {
    const id = location?.match(/\/(\d+)$/)?.[1] ?? (await findUser(api, name)).user_id
    await api.put(`/users/${id}/sysadmin`, { sysadmin_flag: true })
  }
  if (options.json) {
    return terminal.out(JSON.stringify({ username: name, password: generated ? password : null }))
  }
  terminal.out(`${options.admin ? 'Administrator' : 'User'} ${name} is made.`)
  if (generated) terminal.out(`  password  ${terminal.paint('bold', password)}   (shown this once)`)
  if (!options.admin)
    terminal.err(`\nGive them a role: flotilla project grant PROJECT ${quoted(name)} developer`)
}

async function setPassword(name: string, command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const api = await connect(command, context)
  const { user_id, username } = await findUser(api, name)
  const stdin = command.opts<{ newPasswordStdin?: boolean }>().newPasswordStdin
  const { password, generated } = await newPassword(username, stdin, context)
  await api.put(`/users/${user_id}/password`, { new_password: password })
  terminal.out(`${username} has a new password; what was signed in with the old one is signed out.`)
  if (generated) terminal.out(`  password  ${terminal.paint('bold', password)}   (shown this once)`)
}

async function newPassword(name: string, fromInput: boolean | undefined, { terminal, random }: CliContext) {
  if (fromInput) return { password: await terminal.readInput(), generated: false }
  if (!terminal.interactive) return { password: generatePassword(random), generated: true }
  const typed = await terminal.askPassword(`New password for ${name} (empty: generate one)`)
  return typed
    ? { password: typed, generated: false }
    : { password: generatePassword(random), generated: true }
}

/** @throws Fault NOT_FOUND, naming who is there */
async function findUser(api: NodeApi, name: string): Promise<ApiUser> {
  const users = await api.list<ApiUser>('/users')
  const found = users.find((user) => user.username.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return found
  throw new Fault('NOT_FOUND', `there is no user ${name}`, {
    advice: '`flotilla user list` shows who there is',
  })
}
