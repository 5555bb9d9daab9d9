import { Fault } from '../errors.ts'
import type { MemberStatus } from '../registry/topology.ts'
import { shortId } from './amounts.ts'

/** What somebody is who was looked for among others. */
const NOW: Readonly<Record<MemberStatus['state'], string>> = {
  pending: 'waits for a second consent and is no member yet',
  member: 'is a member already',
  left: 'has left already',
  evicted: 'is evicted already',
}

/** By id, by the end of it that `status` shows, or by name when only one has it. @throws Fault NODE_UNKNOWN */
export function findMember(
  members: readonly MemberStatus[],
  wanted: string,
  states: readonly MemberStatus['state'][],
): MemberStatus {
  const here = members.filter((member) => states.includes(member.state))
  const found = calledSo(here, wanted)
  const [first] = found
  if (first !== undefined && found.length === 1) return first
  const [other] = first === undefined ? calledSo(members, wanted) : []
  if (other) {
    throw new Fault('NODE_UNKNOWN', `${other.name} ${NOW[other.state]}`, {
      state: other.state,
      advice: `${states.includes('member') ? 'members' : 'waiting'}: ${namesOf(here) || 'nobody'}`,
    })
  }
  const names = namesOf(here)
  throw new Fault(
    'NODE_UNKNOWN',
    first === undefined ? `no member is called ${wanted}` : `${found.length} members are called ${wanted}`,
    { advice: names === '' ? 'there are none' : `members: ${names}` },
  )
}

function calledSo(members: readonly MemberStatus[], wanted: string): readonly MemberStatus[] {
  const tail = wanted.replace(/^…/, '')
  const byId = members.filter(({ id }) => id === wanted || (tail.length >= 6 && id.endsWith(tail)))
  return byId.length > 0 ? byId : members.filter(({ name }) => name === wanted)
}

function namesOf(members: readonly MemberStatus[]): string {
  return members.map(({ name, id }) => `${name} (${shortId(id)})`).join(', ')
}
