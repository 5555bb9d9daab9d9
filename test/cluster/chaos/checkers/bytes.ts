import type { Checker } from './check.ts'

/** I2: bytes that are served hash to the digest that was asked for, or that the node gave them. */
export const servedBytes: Checker = (calls) =>
  calls.flatMap((call) => {
    if (call.outcome !== 'ok' || call.bytes === undefined) return []
    const { op, digest, bytes } = call
    const asked = op.kind === 'read.blob' ? op.blob : (op.digest ?? digest)
    const named = op.kind === 'read.blob' ? bytes : digest
    if (bytes === asked && bytes === named) return []
    return [
      {
        promise: 'I2 bytes are what they are called',
        what: `${call.node} served ${bytes} for ${asked}, called ${digest ?? 'nothing'}`,
        calls: [call.id],
      },
    ]
  })
