import { Fault } from '../errors.ts'
import type { MemberStatus } from '../registry/topology.ts'
import { shortId } from './amounts.ts'

/** By id, by the end of it that `status` shows, or by name when only one has it. @throws Fault NODE_UNKNOWN */
export function findMember(
  members: readonly MemberStatus[],
  wanted: string,
  states: readonly MemberStatus['state'][],
): MemberStatus {
  const here = members.filter((member) => states.includes(member.state))
  const tail = wanted.replace(/^…/, '')
  const byId = here.filter((member) => member.id === wanted || (tail.length >= 6 && member.id.endsWith(tail)))
  const found = byId.length > 0 ? byId : here.filter((member) => member.name === wanted)
  const [first] = found
  if (first !== undefined && found.length === 1) return first
  const names = here.map((member) => `${member.name} (${shortId(member.id)})`).join(', ')
  throw new Fault(
    'NODE_UNKNOWN',
    first === undefined ? `no member is called ${wanted}` : `${found.length} members are called ${wanted}`,
    { advice: names === '' ? 'there are none' : `members: ${names}` },
  )
}
