import { expect, test } from 'vitest'
import { Fault } from '../../../../src/errors.ts'
import { begun } from '../../../../src/http/oci/send-blob.ts'

const CLOSED = new Fault('LINK_CLOSED', 'the link is closed')

async function* chunks(count: number, closed: () => void, end?: Fault) {
  try {
    for (let index = 0; index < count; index++) yield Uint8Array.of(index)
    if (end) throw end
  } finally {
    closed()
  }
}

test('what fails before the first byte fails before anything is answered', async () => {
  await expect(begun(chunks(0, () => {}, CLOSED))).rejects.toBe(CLOSED)
})

test('no byte is lost by waiting for the first, and what fails later still fails', async () => {
  const seen: number[] = []
  const reading = async () => {
    for await (const chunk of await begun(chunks(3, () => {}, CLOSED))) seen.push(...chunk)
  }
  await expect(reading()).rejects.toBe(CLOSED)
  expect(seen).toEqual([0, 1, 2])
  for await (const _ of await begun(chunks(0, () => {}))) throw new Error('there was nothing to read')
})

test('a reader that leaves lets go of what it read from', async () => {
  let closed = 0
  for await (const _ of await begun(chunks(3, () => void closed++))) break
  expect(closed).toBe(1)
})
