import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../../../cluster/network/network.ts'
import {
  PEERS_PER_FETCH_MAX,
  TAKEOVER_MS,
  TAKEOVER_RANK_MAX,
  UPLOAD_SLOTS,
} from '../../../../cluster/swarm/limits.ts'
import { asksToo, type PlanPeer, planFetch } from '../../../../cluster/swarm/plan.ts'
import { parseDigest } from '../../../../src/oci/digest.ts'

const digestOf = (seed: number) => parseDigest(`sha256:${seed.toString(16).padStart(64, '0')}`)
const digest = digestOf(7)
const peer = (id: string, site: string, facts: Partial<PlanPeer> = {}): PlanPeer => ({
  id,
  site,
  have: 'part',
  ingress: false,
  ...facts,
})
const plan = (self: PlanPeer, peers: readonly PlanPeer[], quietMs = 0, of = digest) =>
  planFetch({ self: self.id, site: self.site, digest: of, peers, ingress: self.ingress, quietMs })
const others = (self: PlanPeer, all: readonly PlanPeer[]) => all.filter(({ id }) => id !== self.id)

const origin = peer('origin', 'hub', { have: 'whole' })
const branch = ['a', 'b', 'c', 'd', 'e'].map((id) => peer(id, 'branch'))
const all = [origin, ...branch]
const rolesAt = (quietMs: number, fetchers = branch) =>
  fetchers.map((node) => plan(node, [origin, ...others(node, fetchers)], quietMs).role)

describe('links between sites in the plan', () => {
  const holder = (id: string, facts: Partial<PlanPeer> = {}) => peer(id, id, { have: 'whole', ...facts })
  const sourcesOf = (peers: readonly PlanPeer[], quietMs = 0) => plan(branch[0]!, peers, quietMs).sources

  it('takes nothing over a closed one, whoever is there', () => {
    const shut = [holder('far', { link: 'closed' }), peer('fellow', 'far', { link: 'closed' })]
    expect(sourcesOf(shut)).toEqual([])
    expect(sourcesOf([...shut, holder('open')])).toEqual(['open'])
    expect(sourcesOf([...shut, holder('open')], 60_000)).toEqual(['open'])
  })

  it('takes over a metered one only what no other holder gives', () => {
    const peers = [holder('metered', { link: 'metered' }), holder('free', { link: 'long' })]
    expect(sourcesOf(peers)).toEqual(['free'])
    expect(sourcesOf(peers, TAKEOVER_MS)).toEqual(['free', 'metered'])
    expect(sourcesOf(peers.slice(0, 1))).toEqual(['metered'])
  })

  it('asks the nearest holders first, and last of all who gave wrong bytes of another blob', () => {
    const peers = [
      holder('liar', { suspect: true, rttMs: 1 }),
      holder('overseas', { rttMs: 180 }),
      holder('country', { rttMs: 45 }),
      holder('city', { rttMs: 3 }),
    ]
    expect(sourcesOf(peers)).toEqual(['city', 'country', 'overseas', 'liar'])
  })
})

describe('the plan of a fetch', () => {
  it('sends exactly one node of a site over the long link, whatever the digest and the number of nodes', () => {
    const count = fc.integer({ min: 1, max: 40 })
    const property = fc.property(count, fc.nat(), (count, seed) => {
      const site = Array.from({ length: count }, (_, index) => peer(`node-${index}`, 'branch'))
      const roles = site.map((node) => plan(node, [origin, ...others(node, site)], 0, digestOf(seed)).role)
      expect(roles.filter((role) => role === 'ingress')).toHaveLength(1)
      expect(roles.filter((role) => role === 'behind')).toHaveLength(count - 1)
    })
    fc.assert(property)
  })

  it('spreads the turn over the nodes of a site, blob by blob', () => {
    const turns = new Map<NodeId, number>()
    for (let seed = 0; seed < 500; seed++) {
      const first = branch.find((node) => plan(node, others(node, all), 0, digestOf(seed)).role === 'ingress')
      turns.set(first!.id, (turns.get(first!.id) ?? 0) + 1)
    }
    expect([...turns.keys()].sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(Math.min(...turns.values())).toBeGreaterThan(60)
  })

  it('connects those behind to their own site only', () => {
    for (const node of branch) {
      const { role, sources } = plan(node, others(node, all))
      if (role === 'behind') expect(sources).not.toContain('origin')
      else expect(sources[0]).toBe('origin')
      expect(sources.filter((id) => id !== 'origin').sort()).toEqual(others(node, branch).map(({ id }) => id))
    }
  })

  it('lets the next one begin when nothing has come for a while, one after the other', () => {
    for (let turn = 0; turn <= TAKEOVER_RANK_MAX; turn++) {
      const roles = rolesAt(turn * TAKEOVER_MS)
      expect(roles.filter((role) => role === 'ingress')).toHaveLength(turn + 1)
    }
  })

  it('leaves the turn with whoever fetches over the long link already', () => {
    const late = branch.map((node) => (node.id === 'd' ? { ...node, ingress: true } : node))
    const roles = late.map((node) => plan(node, [origin, ...others(node, late)]).role)
    expect(roles).toEqual(['behind', 'behind', 'behind', 'ingress', 'behind'])
  })

  it('does not go back for one that began as well', () => {
    const both = branch.map((node) => ({ ...node, ingress: node.id === 'b' || node.id === 'd' }))
    for (const node of both) {
      const { role } = plan(node, [origin, ...others(node, both)])
      expect(role).toBe(node.ingress ? 'ingress' : 'behind')
    }
  })

  it('crosses no long link for what is here', () => {
    const [node, ...rest] = branch as [PlanPeer, ...PlanPeer[]]
    const holder = peer('holder', 'branch', { have: 'whole' })
    const { role, sources } = plan(node, [origin, holder, ...rest])
    expect(role).toBe('within')
    expect(sources[0]).toBe('holder')
    expect(sources).not.toContain('origin')
  })

  it('crosses it after all when the holder that is here gives nothing', () => {
    const [node] = branch as [PlanPeer]
    const holder = peer('holder', 'branch', { have: 'whole' })
    expect(plan(node, [origin, holder], TAKEOVER_MS - 1).role).toBe('within')
    const { role, sources } = plan(node, [origin, holder], TAKEOVER_MS)
    expect(role).toBe('ingress')
    expect([...sources].sort()).toEqual(['holder', 'origin'])
  })

  it('takes what another site is still getting only where nobody has it all', () => {
    const [node] = branch as [PlanPeer]
    const elsewhere = peer('elsewhere', 'third', { ingress: true })
    expect(plan(node, [origin, elsewhere]).sources).toEqual(['origin'])
    expect(plan(node, [elsewhere]).sources).toEqual(['elsewhere'])
  })

  it('sends a few of a crowd to its only holder, and the rest to each other', () => {
    const crowd = Array.from({ length: 300 }, (_, index) => peer(`node-${index}`, 'hub'))
    const plans = crowd.map((node) => plan(node, [origin, ...others(node, crowd)]))
    const guests = plans.filter(({ sources }) => sources.includes('origin'))
    expect(guests).toHaveLength(UPLOAD_SLOTS)
    for (const { sources } of plans) expect(sources).toHaveLength(PEERS_PER_FETCH_MAX)
    const asked = new Set(plans.flatMap(({ sources }) => sources))
    expect(asked.size).toBeGreaterThan(290)
  })

  it('lets all of a crowd to the holder when their fellows give nothing', () => {
    const crowd = Array.from({ length: 100 }, (_, index) => peer(`node-${index}`, 'hub'))
    for (const node of crowd.slice(0, 10)) {
      expect(plan(node, [origin, ...others(node, crowd)], TAKEOVER_MS).sources[0]).toBe('origin')
    }
  })

  it('names everybody of a cluster that stands at one site', () => {
    const near = branch.map((node) => ({ ...node, site: 'hub' }))
    const [node, ...rest] = near as [PlanPeer, ...PlanPeer[]]
    const { sources } = plan(node, [origin, ...rest])
    expect([...sources].sort()).toEqual(['b', 'c', 'd', 'e', 'origin'])
  })
})

describe('who asks a holder, too', () => {
  it('is its own site, and who fetches over a long link', () => {
    const [a, b] = branch as [PlanPeer, PlanPeer]
    expect(asksToo(a, b)).toBe(true)
    expect(asksToo(a, origin)).toBe(false)
    expect(asksToo({ ...a, ingress: true }, origin)).toBe(true)
  })
})
