import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeDurable } from '../../../src/runtime/durable-file.ts'
import { fullDisk } from '../../support/full-disk.ts'

test('a full disk is said in so many words, and what stood there stands', async (context) => {
  const disk = fullDisk()
  if (!disk) return context.skip('no right to mount')
  const path = join(disk.directory, 'life')
  await writeDurable(path, 'before', 0o600)
  disk.fill()
  await expect(writeDurable(path, 'x'.repeat(100_000), 0o600)).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  expect(await readFile(path, 'utf8')).toBe('before')
  disk.free()
  await writeDurable(path, 'after', 0o600)
  expect(await readFile(path, 'utf8')).toBe('after')
})
