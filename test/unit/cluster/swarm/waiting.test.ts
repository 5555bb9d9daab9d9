import { describe, expect, it } from 'vitest'
import { abortable, Change, Places, within } from '../../../../cluster/swarm/waiting.ts'
import { systemTimers } from '../../../../src/runtime/timers.ts'

const forever = () => new Promise<never>(() => {})

describe('waiting', () => {
  it('ends with the signal, and with the time', async () => {
    await expect(abortable(forever(), AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
    await expect(within(systemTimers, 5, undefined, forever)).rejects.toMatchObject({ code: 'TIMED_OUT' })
    await expect(within(systemTimers, 60_000, AbortSignal.abort(new Error('gone')), forever)).rejects.toThrow(
      'gone',
    )
    expect(await within(systemTimers, 60_000, undefined, async () => 7)).toBe(7)
  })

  it('tells the task that its time is up', async () => {
    let told: unknown
    const task = (signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          told = signal.reason
          resolve()
        })
      })
    await expect(within(systemTimers, 5, undefined, task)).rejects.toMatchObject({ code: 'TIMED_OUT' })
    expect(told).toMatchObject({ code: 'TIMED_OUT' })
  })

  it('wakes everybody at a change, once', async () => {
    const change = new Change()
    let woken = 0
    const one = change.next().then(() => woken++)
    const two = change.next().then(() => woken++)
    change.announce()
    await Promise.all([one, two])
    expect(woken).toBe(2)
    const aborting = new AbortController()
    const three = change.next(aborting.signal)
    aborting.abort(new Error('enough'))
    await expect(three).rejects.toThrow('enough')
  })

  it('gives places in the order of asking, and passes on that of who has left the line', async () => {
    const places = new Places(1, 2)
    const giveBack = await places.take()
    const leaving = new AbortController()
    const impatient = places.take(leaving.signal)
    const patient = places.take()
    await expect(places.take()).rejects.toMatchObject({ code: 'TOO_MANY_WAITING' })
    leaving.abort(new Error('left'))
    await expect(impatient).rejects.toThrow('left')
    giveBack()
    const second = await patient
    second()
    const third = await places.take()
    third()
  })
})
