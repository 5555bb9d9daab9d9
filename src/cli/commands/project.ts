import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { type ApiMember, type ApiProject, ROLES, roleName } from '../api-shapes.ts'
import { confirmed } from '../confirm.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import type { NodeApi } from '../node-api.ts'
import { table } from '../table.ts'
import { addProjectSet } from './project-set.ts'

const JSON_FLAG = ['--json', 'print one line of JSON'] as const

export function addProject(program: Command, context: CliContext): void {
  const { terminal } = context
  const project = program.command('project').description('projects, and who may do what in them')

  const list = project
    .command('list')
    .description('list all projects')
    .option(...JSON_FLAG)
  addConnectionFlags(list).action(async () => {
    const projects = await (await connect(list, context)).list<ApiProject>('/projects')
    projects.sort((a, b) => a.name.localeCompare(b.name))
    if (isJson(list)) return terminal.out(JSON.stringify(projects))
    const rows = projects.map((one) => [
      one.name,
      one.metadata?.public === 'true' ? 'public' : 'private',
      String(one.repo_count ?? 0),
      one.owner_name || '-',
      one.creation_time,
    ])
    terminal.out(table(['project', 'pull', 'repositories', 'owner', 'created'], rows))
  })

  const create = project
    .command('create')
    .argument('<name>')
    .description('make a project')
    .option('--public', 'everybody may pull from it')
    .option('--private', 'only members may pull from it (the default)')
  addConnectionFlags(create).action(async (name: string) => {
    const { public: everybody, private: members } = create.opts<{ public?: boolean; private?: boolean }>()
    if (everybody && members) throw new Fault('USAGE', '--public and --private exclude each other')
    const api = await connect(create, context)
    await api.post('/projects', { project_name: name, metadata: { public: String(everybody === true) } })
    terminal.out(`Project ${name} is made (${everybody ? 'public' : 'private'}).`)
    terminal.err(`\nLet somebody push to it: flotilla project grant ${name} USER developer`)
  })

  addProjectSet(project, context)

  const remove = project
    .command('delete')
    .argument('<name>')
    .description('delete a project that holds no repositories')
    .option('-y, --yes', 'do not ask')
  addConnectionFlags(remove).action(async (name: string) => {
    const api = await connect(remove, context)
    await confirmed(`Delete project ${name}?`, remove, context)
    await api.delete(pathOf(name))
    terminal.out(`Project ${name} is deleted.`)
  })

  const members = project
    .command('members')
    .argument('<project>')
    .description('list who may do what in a project')
    .option(...JSON_FLAG)
  addConnectionFlags(members).action(async (name: string) => {
    const found = await membersOf(await connect(members, context), name)
    if (isJson(members)) return terminal.out(JSON.stringify(found))
    terminal.out(
      table(
        ['user', 'role'],
        found.map((member) => [member.entity_name, roleName(member.role_id)]),
      ),
    )
  })

  const grant = project
    .command('grant')
    .argument('<project>')
    .argument('<user>')
    .argument('<role>', Object.keys(ROLES).join(', '))
    .description('give a user a role in a project, in place of the one they have')
  addConnectionFlags(grant).action(async (name: string, user: string, role: string) => {
    const role_id = ROLES[role]
    if (role_id === undefined)
      throw new Fault('USAGE', `${role}: must be one of ${Object.keys(ROLES).join(', ')}`)
    const api = await connect(grant, context)
    const member = find(await membersOf(api, name), user)
    if (member === undefined)
      await api.post(`${pathOf(name)}/members`, { role_id, member_user: { username: user } })
    else await api.put(`${pathOf(name)}/members/${member.id}`, { role_id })
    terminal.out(`${user} is ${role} in ${name}.`)
  })

  const revoke = project
    .command('revoke')
    .argument('<project>')
    .argument('<user>')
    .description('take a user’s role in a project away')
  addConnectionFlags(revoke).action(async (name: string, user: string) => {
    const api = await connect(revoke, context)
    const member = find(await membersOf(api, name), user)
    if (member === undefined) {
      const advice = `\`flotilla project members ${name}\` shows who has one`
      throw new Fault('NOT_FOUND', `${user} has no role in ${name}`, { advice })
    }
    await api.delete(`${pathOf(name)}/members/${member.id}`)
    terminal.out(`${user} has no role in ${name} any more.`)
  })
}

function isJson(command: Command): boolean {
  return command.opts<{ json?: boolean }>().json === true
}

function pathOf(name: string): string {
  return `/projects/${encodeURIComponent(name)}`
}

function membersOf(api: NodeApi, project: string): Promise<ApiMember[]> {
  return api.list<ApiMember>(`${pathOf(project)}/members`)
}

function find(members: readonly ApiMember[], user: string): ApiMember | undefined {
  return members.find((member) => member.entity_name.toLowerCase() === user.toLowerCase())
}
