import type { Journal } from '../../src/journal/journal.ts'
import type { Lane } from '../../src/journal/op.ts'

/** What placement reads of the journal. */
export interface Records extends Pick<Journal, 'node' | 'tables' | 'onChange' | 'frontier'> {
  readonly lanes: { onInstalled(listener: (lane: Lane) => void): () => void }
}
