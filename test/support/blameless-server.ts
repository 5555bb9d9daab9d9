import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'
import { type Answered, OciClient } from './oci-client.ts'
import { startRegistry } from './registry.ts'

export interface BlamelessServer {
  readonly port: number
  readonly client: OciClient
}

/**
 * A registry for the tests of one file that send it what they should not: after each of them it must have
 * logged no failure, for whatever a client sends is the client's mistake and not one of ours.
 */
export function blamelessServer(): BlamelessServer {
  const errors: object[] = []
  const logger: Logger = { ...silentLogger, error: (facts) => errors.push(facts), child: () => logger }
  let started: { port: number; client: OciClient; close(): Promise<void> } | undefined
  beforeAll(async () => {
    const server = await startRegistry({ logger })
    started = { port: server.port, client: new OciClient(server.url, 'alice'), close: () => server.close() }
  })
  afterAll(async () => {
    started?.client.close()
    await started?.close()
  })
  afterEach(() => expect(errors).toEqual([]))
  const running = () => {
    if (!started) throw new Error('the server starts before the first test')
    return started
  }
  return {
    get port() {
      return running().port
    },
    get client() {
      return running().client
    },
  }
}

/** Sends bytes as they are and gives back all that comes until the server closes. */
export function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let got = ''
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1')
    })
    socket.on('close', () => resolve(got))
    // A server that has said all it will may reset what is still being sent.
    socket.on('error', () => {})
  })
}

/** Refused with this status and code, and without a word of how the server is made. */
export function refused(answer: Answered, status: number, code: string): void {
  expect({ status: answer.status, code: answer.errorCode() }).toEqual({ status, code })
  expect(answer.body.toString()).not.toMatch(/node_modules|\.ts:\d|\\n\s+at /)
}
