import { expect, test } from 'vitest'
import { PeerFacts } from '../../../../cluster/ledger/peer-facts.ts'
import { positionOf } from '../../../../cluster/ledger/position.ts'
import { silentLogger } from '../../../../src/runtime/logger.ts'
import { HandClock } from '../../../support/sites.ts'

const PEER = 'peer'
const at = (seq: number, stateHash: string | null) =>
  positionOf(new Map([['authority@a', { seq, hash: `h${seq}` }]]), stateHash)

function watched() {
  const said: string[] = []
  const log = { ...silentLogger, error: (_facts: object, message: string) => void said.push(message) }
  const facts = new PeerFacts(new HandClock(), log, () => Number.POSITIVE_INFINITY)
  return { facts, said, sync: () => facts.all().get(PEER)?.sync }
}

test('tables are not compared while either side still decides again what came late', () => {
  const { facts, said, sync } = watched()
  facts.record(PEER, at(3, 'old'), undefined, null)
  facts.record(PEER, at(3, null), undefined, 'new')
  expect(said).toEqual([])
  expect(sync()).toBe('in-sync')
  facts.record(PEER, at(3, 'new'), undefined, 'new')
  expect(said).toEqual([])
  expect(sync()).toBe('in-sync')
})

test('tables that differ for good are told once, also where the peer lagged before', () => {
  const { facts, said, sync } = watched()
  facts.record(PEER, at(3, 'ours'), at(2, 'theirs').heads, 'theirs')
  expect(sync()).toBe('behind')
  facts.record(PEER, at(3, 'ours'), undefined, 'theirs')
  facts.record(PEER, at(3, 'ours'), undefined, 'theirs')
  expect(said).toHaveLength(1)
  expect(sync()).toBe('diverged')
})

test('a difference stays one until the tables were seen to be the same, and is told again when it is back', () => {
  const { facts, said, sync } = watched()
  facts.record(PEER, at(3, 'ours'), undefined, 'theirs')
  facts.record(PEER, at(3, null), undefined, 'theirs')
  expect(sync()).toBe('diverged')
  facts.record(PEER, at(3, 'both'), undefined, 'both')
  expect(sync()).toBe('in-sync')
  facts.record(PEER, at(4, 'ours'), undefined, 'theirs')
  expect(said).toHaveLength(2)
})
