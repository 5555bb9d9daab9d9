import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const flotilla = fileURLToPath(new URL('../../../bin/flotilla.js', import.meta.url))

test('a reader that has gone is no crash: `flotilla help | true`', { timeout: 30_000 }, async () => {
  const child = spawn(process.execPath, [flotilla, 'help'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  expect(said).toBe('')
  expect(code).toBe(0)
})
