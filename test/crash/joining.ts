import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cluster } from '../../cluster/cluster.ts'
import { CATALOG } from '../../src/journal/op.ts'
import type { NodeParts, Participant } from '../../src/registry/collective.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { systemTimers } from '../../src/runtime/timers.ts'
import { LevelStore } from '../../src/store/level/level-store.ts'
import { openDisk } from '../support/disk.ts'
import type { Acknowledged } from './phase.ts'
import { type Facts, personOp, projectOp, tagKey, tagOp } from './scene.ts'

const PATIENCE_MS = 30_000
const RECORDS = 300

/** A node's own storage as `src/main.ts` opens it. */
export async function openParts(root: string): Promise<{ parts: NodeParts; close: () => Promise<void> }> {
  await mkdir(root, { recursive: true })
  const store = await LevelStore.open(join(root, 'journal'))
  const disk = await openDisk(join(root, 'blobs'))
  const settings = {
    name: 'node',
    site: 'here',
    tokenKey: 'k'.repeat(43),
    host: '127.0.0.1',
    clusterPort: 0,
    swarmPort: 0,
    announce: [],
    url: null,
  }
  const runtime = { clock: systemClock, random: systemRandom, timers: systemTimers, logger: silentLogger }
  return {
    parts: { dataDir: root, store, blobs: disk.blobs, settings, ...runtime },
    async close() {
      await disk.close()
      await store.close()
    },
  }
}

/** What the one who joins is told, and what it does once it belongs. */
export async function joinAndWrite(options: {
  root: string
  invite: string
  acknowledge: (what: Acknowledged) => void
  tag: string
  /** What else is to be done while it belongs. */
  use?: (node: Participant) => Promise<void>
}): Promise<void> {
  const { root, invite, acknowledge, tag, use } = options
  const before = await cluster.membership(root)
  // As `flotilla join` does: what a crash left behind is no history.
  if (!before) await rm(join(root, 'journal'), { recursive: true, force: true })
  const { parts, close } = await openParts(root)
  try {
    if (!before) {
      const signal = AbortSignal.timeout(PATIENCE_MS)
      const { nodeId } = await cluster.join(parts, invite, { signal, onPending: () => {} })
      acknowledge({ joined: nodeId })
    }
    const node = await cluster.open(parts)
    await node.start()
    try {
      await node.announce(null)
      const facts = await factsAt(node)
      const { ids } = await node.journal.commit(CATALOG, () => [tagOp(facts, tag)])
      acknowledge({ ids, tag })
      await use?.(node)
    } finally {
      await node.stop()
    }
  } finally {
    await close()
  }
}

/** Waits for the records: they come in pages, and the first may not hold what is looked for. */
async function factsAt(node: Participant): Promise<Facts> {
  let facts: Facts | undefined
  const arrived = async () => {
    facts = await projectAt(node)
    return facts !== undefined
  }
  if (await comesTrue(arrived)) return facts as Facts
  throw new Error('the first catch-up brought no records')
}

async function projectAt({ journal, clusterId, nodeId }: Participant): Promise<Facts | undefined> {
  // A node has no rights before it has read of its own admission.
  if (!journal.tables.get('nodes', nodeId)) return undefined
  for await (const { key: project } of journal.tables.list('projects'))
    for await (const { key: owner } of journal.tables.list('users'))
      return { clusterId, project, owner, incoming: [] }
  return undefined
}

/** A node that serves and lets others in. */
export class Inviter {
  readonly #node: Participant
  readonly #close: () => Promise<void>
  #invites = 0

  private constructor(node: Participant, close: () => Promise<void>) {
    this.#node = node
    this.#close = close
  }

  static async start(root: string): Promise<Inviter> {
    const { parts, close } = await openParts(root)
    await cluster.found(parts, 'crash', async (journal) => {
      const { ids } = await journal.commit('authority', () => [personOp('captain', 'node', true)])
      const owner = ids[0] as string
      const made = await journal.commit('authority', () => [projectOp(owner)])
      const facts = { clusterId: journal.cluster, project: made.ids[0] as string, owner, incoming: [] }
      // More than one batch for who catches up.
      for (let n = 0; n < RECORDS; n++) await journal.commit(CATALOG, () => [tagOp(facts, `theirs-${n}`)])
    })
    const node = await cluster.open(parts)
    await node.start()
    await node.announce(null)
    return new Inviter(node, close)
  }

  async invite(): Promise<string> {
    const request = { ttlSeconds: 3_600, role: 'anchor', scope: null, approval: false, days: null } as const
    this.#invites++
    const { invite } = await this.#node.topology.invite(request, { actor: 'node', permit: () => {} })
    return invite
  }

  /**
   * What is wrong with what a crash left of a node that was joining: it comes again with the same invite, as its
   * operator would, and must end as one member with everything it was told is recorded.
   */
  async faultsOf(root: string, invite: string, acknowledged: readonly Acknowledged[]): Promise<string[]> {
    const faults: string[] = []
    const before = await cluster.membership(root)
    for (const what of acknowledged) {
      if ('joined' in what && before?.nodeId !== what.joined) faults.push('lost: that it is a member')
    }
    let self = ''
    await joinAndWrite({
      root,
      invite,
      acknowledge: () => {},
      tag: 'again',
      use: async (node) => {
        self = node.nodeId
        const facts = await factsAt(node)
        const tags = acknowledged.flatMap((what) =>
          'tag' in what && what.tag !== undefined ? [what.tag] : [],
        )
        const isThere = () => [...tags, 'again'].filter((tag) => !this.#has(facts, tag))
        const agree = () =>
          node.journal.stateHash() === this.#node.journal.stateHash() && isThere().length === 0
        if (await comesTrue(agree)) return
        faults.push(...isThere().map((tag) => `lost: ${tag}`), 'the members do not come to agree')
      },
    })
    if (this.#node.journal.tables.get('nodes', self)?.state !== 'member') faults.push('it is no member')
    return faults
  }

  #has(facts: Facts, tag: string): boolean {
    return this.#node.journal.tables.get('tags', tagKey(facts, tag)) !== undefined
  }

  /** Whether some invite let in more than one; to be asked when everybody invited has come. */
  async faultsOfAll(): Promise<string[]> {
    let members = 0
    for await (const _ of this.#node.journal.tables.list('nodes')) members++
    const wanted = this.#invites + 1
    return members === wanted ? [] : [`${wanted - 1} invites made a cluster of ${members} members`]
  }

  async stop(): Promise<void> {
    await this.#node.stop()
    await this.#close()
  }
}

async function comesTrue(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  const until = performance.now() + PATIENCE_MS
  while (!(await condition())) {
    if (performance.now() > until) return false
    await systemTimers.sleep(10)
  }
  return true
}
