import { spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { isCurrent } from '../../bin/built.js'
import { quoted } from '../../src/cli/setting-flags.ts'
import { readArguments, USAGE } from './arguments.ts'
import { clientLines, shorter } from './client-lines.ts'
import { type Admin, LocalCluster } from './cluster.ts'
import { type ExampleImage, writeExampleImage } from './example-image.ts'
import type { LocalNode } from './node.ts'
import { Progress } from './progress.ts'
import { LocalState } from './state.ts'

const root = resolve(import.meta.dirname, '../..')
const DIR_DEFAULT = join(root, '.flotilla/up')

const asked = readArguments(process.argv.slice(2))
if (asked === 'help') {
  process.stdout.write(`${USAGE}\n`)
} else if (asked instanceof Error) {
  process.stderr.write(`scripts/up: ${asked.message}\n\n${USAGE}\n`)
  process.exitCode = 2
} else {
  const progress = new Progress()
  const dir = asked.dir === undefined ? DIR_DEFAULT : resolve(asked.dir)
  const state = new LocalState(dir)
  const cluster = new LocalCluster(state, progress)
  try {
    state.lock()
    if (asked.fresh || asked.command === 'down') {
      const stopped = await cluster.down()
      if (stopped === 0 && asked.command === 'down') progress.say('no node was running')
    }
    if (asked.fresh) state.wipe()
    if (asked.command === 'up') {
      if (await cluster.isUp(asked.nodes)) progress.say('it runs already')
      else if (!isCurrent()) await progress.step('building', build)
      const { nodes, admin } = await cluster.up(asked.nodes)
      const image = writeExampleImage(join(dir, 'example'))
      const lines = asked.json ? jsonLine(nodes, admin) : report(nodes, admin, image, dir)
      process.stdout.write(`${lines}\n`)
      progress.say(`ready after ${progress.total}`)
    }
  } catch (error) {
    process.stderr.write(`scripts/up: ${error instanceof Error ? error.message : String(error)}\n`)
    process.stderr.write('  what runs goes on; try again, or begin anew: scripts/up --fresh\n')
    process.exitCode = 1
  }
}

async function build(): Promise<void> {
  const child = spawn('npm', ['run', '--silent', 'build'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const code = await new Promise((done) => {
    child.on('close', done)
  })
  if (code !== 0) throw new Error(`the build failed:\n${said}`)
}

function jsonLine(nodes: readonly LocalNode[], { username, password, recoveryKey }: Admin): string {
  return JSON.stringify({
    nodes: nodes.map(({ facts, url, dataDir }) => ({
      name: facts.name,
      site: facts.site,
      url,
      dataDir,
      pid: facts.pid,
    })),
    admin: { username, password },
    recoveryKey,
  })
}

function report(
  nodes: readonly LocalNode[],
  { username, password, recoveryKey }: Admin,
  image: ExampleImage,
  dir: string,
): string {
  const [near, second] = nodes
  if (near === undefined) throw new TypeError('a cluster has nodes')
  const lines = clientLines({
    near: new URL(near.url).host,
    far: new URL((second ?? near).url).host,
    user: username,
    password,
    image,
    pulled: join(dir, 'pulled'),
  })
  const flotilla = `${shorter(join(root, 'bin/flotilla.js'))} --config ${shorter(near.settingsFile)}`
  return [
    '',
    ...nodes.map(({ facts, url }) => `  ${facts.name}   ${url}   ${facts.site}, process ${facts.pid}`),
    '',
    password === null
      ? `  ${username}'s password was shown when the cluster was made. A new one: ${flotilla} user password ${username}`
      : `  user      ${username}\n  password  ${password}   (shown this once)`,
    ...(recoveryKey === undefined ? [] : [`  recovery  ${recoveryKey}   (likewise)`]),
    '',
    `Log in and push at ${near.facts.name}, pull at ${(second ?? near).facts.name} (${lines.client}):`,
    '',
    `  ${lines.login}`,
    `  ${lines.push}`,
    `  ${lines.pull}`,
    '',
    'See who is there and what travelled, and stop:',
    '',
    `  ${flotilla} status`,
    `  ${shorter(join(root, 'scripts/up'))} down${dir === DIR_DEFAULT ? '' : ` --dir ${quoted(shorter(dir))}`}`,
  ].join('\n')
}
