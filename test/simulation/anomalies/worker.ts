import { parentPort } from 'node:worker_threads'
import { type Chunk, liveThrough } from './chunks.ts'

/** Lives through one chunk after another, as it is told. */
const port = parentPort
if (!port) throw new Error('this is a worker of main.ts')
port.on('message', (chunk: Chunk) => {
  void liveThrough(chunk).then((lived) => port.postMessage(lived))
})
