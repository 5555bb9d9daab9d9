import { Fault } from '../../src/errors.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { Channel } from '../network/network.ts'

/**
 * The channel's next message.
 * @throws Fault PEER_SILENT when none comes in time; the signal's reason when it is aborted
 */
export async function receiveWithin(
  channel: Channel,
  timers: Timers,
  ms: number,
  signal?: AbortSignal,
): Promise<unknown> {
  const limit = new AbortController()
  const callOff = timers.after(ms, () =>
    limit.abort(new Fault('PEER_SILENT', 'the peer said nothing for too long', { peer: channel.peer, ms })),
  )
  try {
    return await channel.receive(signal ? AbortSignal.any([signal, limit.signal]) : limit.signal)
  } finally {
    callOff()
  }
}
