#!/usr/bin/env node
// Plain JavaScript that any Node can parse, so that an old one gets a sentence and not a syntax error.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as module from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isCurrent, root } from './built.js'

const NODE_MIN = [22, 22, 2]
const words = process.argv.slice(2)

if (isOldNode()) {
  // A checkout carries the right Node as a package.
  const packaged = join(root, 'node_modules/.bin/node')
  if (existsSync(packaged)) await runIn(packaged)
  else {
    process.stderr.write(
      `flotilla: needs Node ${NODE_MIN.join('.')} or newer, and this is ${process.versions.node}\n` +
        '  install a newer Node, or run `npm ci` in the checkout, which brings one\n',
    )
    process.exitCode = 1
  }
} else {
  // A third of the time to the first word: what was compiled once is not compiled again.
  module.enableCompileCache?.()
  const { main } = await import(join(root, isCurrent() ? 'dist/src/main.js' : 'src/main.ts'))
  process.exitCode = await main(words)
}

function isOldNode() {
  const found = process.versions.node.split('.').map(Number)
  const at = NODE_MIN.findIndex((part, index) => part !== found[index])
  return at >= 0 && found[at] < NODE_MIN[at]
}

/** The same words in another Node; signals go on to it, its end is ours. */
async function runIn(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...words], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  const [code, signal] = await new Promise((resolve) => {
    child.on('exit', (...ended) => resolve(ended))
  })
  process.exitCode = signal ? 128 : code
}
