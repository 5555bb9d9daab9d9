import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG } from '../../../src/journal/op.ts'
import { blocksOf, carry } from '../member.ts'
import type { Phase, Place } from '../phase.ts'
import { person, personOp, tagOp, writeTags } from '../scene.ts'

/** A tag is moved, and whoever asked for it is told. */
export async function commitTag({ node, facts, acknowledge }: Place, tag: string): Promise<void> {
  const { ids } = await node.journal.commit(CATALOG, () => [tagOp(facts, tag)])
  acknowledge({ ids, tag })
}

const LONE_COMMITS = 12
const ROUNDS = 4
const CALLERS = 64

export const append: Phase = {
  name: 'append, 1 caller',
  prepare: async () => {},
  async run(place) {
    for (let n = 0; n < LONE_COMMITS; n++) await commitTag(place, `lone-${n}`)
  },
}

export const appendTogether: Phase = {
  name: 'append, 64 callers',
  prepare: async () => {},
  async run(place) {
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(Array.from({ length: CALLERS }, (_, n) => commitTag(place, `round-${round}-${n}`)))
    }
  },
}

const BATCHES = 6
const INCOMING = 240

/** Another member's blocks arrive while this one writes as well. */
export const batch: Phase = {
  name: 'batch',
  async prepare(scene) {
    const feed = `${CATALOG}@${scene.other.identity.id}`
    for (let n = 0; n < INCOMING; n++) {
      await scene.other.journal.commit(CATALOG, () => [tagOp(scene.facts, `theirs-${n}`)])
    }
    scene.facts = {
      ...scene.facts,
      incoming: await blocksOf(scene.other, [{ feed, from: 1, to: INCOMING }]),
    }
  },
  async run(place) {
    const { node, facts, acknowledge } = place
    const size = Math.ceil(facts.incoming.length / BATCHES)
    for (let n = 0; n < BATCHES; n++) {
      await node.journal.take(facts.incoming.slice(n * size, (n + 1) * size), 'other')
      acknowledge({ frontier: node.journal.frontier() })
      await commitTag(place, `between-${n}`)
    }
  },
}

const DEPENDENTS = 600

/** A right is taken elsewhere, and what rests on it here is decided anew, in slices. */
export const review: Phase = {
  name: 'review',
  async prepare(scene) {
    const { other, node, facts } = scene
    const junior = await person(other, 'junior', facts.owner)
    await carry(other, node)
    await Promise.all(
      Array.from({ length: DEPENDENTS }, (_, n) =>
        node.journal.commit(AUTHORITY, () => [personOp(`p${n}`, junior, false)]),
      ),
    )
    await writeTags(node, facts, 100, 'junior', junior)
    await other.journal.commit(AUTHORITY, () => [
      op('user.admin-set', { user: junior, admin: false }, facts.owner),
    ])
    const feed = `${AUTHORITY}@${other.identity.id}`
    const to = other.journal.frontier()[feed] as number
    scene.facts = { ...facts, incoming: await blocksOf(other, [{ feed, from: to, to }]) }
  },
  async run(place) {
    const { node, facts, acknowledge } = place
    await commitTag(place, 'before')
    await node.journal.take(facts.incoming, 'other')
    acknowledge({ frontier: node.journal.frontier() })
    await commitTag(place, 'meanwhile')
    await node.journal.settled()
    await commitTag(place, 'after')
  },
}
