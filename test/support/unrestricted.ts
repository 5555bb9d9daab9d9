import type { Residency } from '../../cluster/swarm/swarm.ts'

/** Every blob may be everywhere. */
export const UNRESTRICTED: Residency = { mayHold: async () => true, onTightened: () => () => {} }
