import { parentPort } from 'node:worker_threads'
import { runSeed, withoutStacks } from './run-seeds.ts'
import type { RunOptions } from './simulation.ts'

/** Runs one seed after another, as it is told. */
const port = parentPort
withoutStacks()
if (!port) throw new Error('this is a worker of main.ts')
port.on('message', (options: RunOptions) => {
  void runSeed(options).then((outcome) => port.postMessage(outcome))
})
