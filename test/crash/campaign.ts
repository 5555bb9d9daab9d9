import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Round, RoundResult } from './round.ts'

export interface CampaignOptions {
  /** Rounds at once, each in a process. */
  readonly lanes: number
  readonly rounds: readonly Round[]
  readonly onRound: (result: RoundResult) => void
  readonly signal: AbortSignal
}

/** Runs rounds in several processes. */
export async function campaign({ lanes, rounds, onRound, signal }: CampaignOptions): Promise<void> {
  const left = [...rounds]
  const crew = Array.from({ length: Math.min(lanes, left.length) }, async () => {
    const lane = fork(join(import.meta.dirname, 'lane.ts'), { execArgv: [] })
    try {
      for (let round = left.shift(); round && !signal.aborted; round = left.shift()) {
        const result = await ask(lane, round)
        if (!signal.aborted) onRound(result)
      }
    } finally {
      if (lane.connected) {
        const exited = once(lane, 'exit')
        lane.disconnect()
        await exited
      }
    }
  })
  const ended = await Promise.allSettled(crew)
  const failed = ended.find((lane) => lane.status === 'rejected')
  if (failed && !signal.aborted) throw failed.reason
}

async function ask(lane: ChildProcess, round: Round): Promise<RoundResult> {
  const ends = new AbortController()
  const ended = once(lane, 'exit', { signal: ends.signal }).then(() => {
    throw new Error(`a lane ended in round ${round.round} of ${round.phase}`)
  })
  ended.catch(() => {})
  lane.send(round)
  try {
    const [answer] = (await Promise.race([once(lane, 'message', { signal: ends.signal }), ended])) as [
      { result?: RoundResult; error?: string },
    ]
    if (!answer.result) throw new Error(`round ${round.round} of ${round.phase}: ${answer.error}`)
    return answer.result
  } finally {
    ends.abort()
  }
}
