import type { NodeId } from '../network/network.ts'
import type { Member } from './roster.ts'

export interface NoticeFacts {
  readonly self: Member | undefined
  readonly members: readonly Member[]
  readonly now: number
  /** Names of members that hang up on every network key this node has. */
  readonly refusedBy: readonly string[]
  readonly connected: number
  /** Members that keep hanging up on this node without saying why. */
  readonly hungUpBy: readonly string[]
  /** Who holds that this node was evicted, and by whom, where this node's records do not say so. */
  readonly heldEvicted: readonly { readonly by: string; readonly author: string; readonly reason: string }[]
  /** Nodes of whose logs there are two histories, by id. */
  readonly forked: readonly NodeId[]
  /** False once this node's own log is one of them. */
  readonly writable: boolean
  /** Why what lies behind a fork could not be taken back here; undefined where it was, or there was nothing. */
  readonly unstraightened?: string | undefined
  /** Milliseconds this node has lacked what others say they have; null while it lacks nothing. */
  readonly laggingMs: number | null
  readonly lagMsMax: number
}

const WARN_BEFORE_MS = 3 * 24 * 60 * 60_000
const ANEW = 'ask a member for a new invite (`flotilla invite`) and redeem it here: `flotilla join INVITE`'

/** What an operator of this node should know, most pressing first. */
export function noticesOf(facts: NoticeFacts): string[] {
  const { self, members, now, refusedBy, connected, forked, writable, laggingMs } = facts
  const notices: string[] = []
  const notAfter = self?.notAfter ?? null
  if (notAfter !== null && notAfter <= now)
    notices.push(`the membership of this node ended on ${dated(notAfter)}: ${ANEW}`)
  else if (notAfter !== null && notAfter - now < WARN_BEFORE_MS)
    notices.push(
      `the membership of this node ends on ${dated(notAfter)}; any connected anchor renews it by itself`,
    )
  if (!writable)
    notices.push(
      'two histories exist under this node’s name, so it writes no more: evict it, and join a new one',
    )
  if (refusedBy.length > 0 && connected === 0)
    notices.push(
      `no member accepts the network key of this node (asked: ${refusedBy.join(', ')}); it was away while the key was changed, or was evicted: ${ANEW}`,
    )
  else if (facts.hungUpBy.length > 0)
    notices.push(
      `hung up on by ${facts.hungUpBy.join(', ')} without a word: look there with \`flotilla nodes\` whether this node still ` +
        'belongs (its term may have ended by their clock), and whether they run a version that knows of it',
    )
  for (const { by, author, reason } of facts.heldEvicted)
    notices.push(
      `${by} holds that this node was evicted by ${author}${reason === '' ? '' : ` (${reason})`}, which counts for nothing ` +
        'by the records here: let somebody at either side look at `flotilla nodes`; if it is meant, stop this node',
    )
  if (laggingMs !== null && laggingMs > facts.lagMsMax)
    notices.push(
      `degraded: for ${Math.round(laggingMs / 1000)} s this node has lacked entries that others say exist`,
    )
  // One that is gone writes no more, and there is nothing left to do about it.
  const twofold = members.filter(
    ({ id, state }) => forked.includes(id) && (state === 'member' || state === 'pending'),
  )
  if (twofold.length > 0)
    notices.push(
      `two histories exist under the name of: ${twofold.map(({ name }) => name).join(', ')}; what follows them is not taken in`,
    )
  if (facts.unstraightened !== undefined)
    notices.push(
      `what lies behind a fork is still counted here and nowhere else: ${facts.unstraightened}. It is tried again ` +
        'whenever a member is heard; where no member holds what it takes, let this node join anew ' +
        '(`flotilla leave`, and an invite redeemed on an empty directory): it then takes over what the others hold',
    )
  for (const { name, id, state } of members)
    if (state === 'pending')
      notices.push(`${name} (…${id.slice(-8)}) waits for an approval: \`flotilla node approve ${name}\``)
  for (const { name, id, state, notAfter: ended } of members)
    if (id !== self?.id && state === 'member' && ended !== null && ended <= now)
      notices.push(
        `the membership of ${name} ended on ${dated(ended)}: it is not let in until it is invited anew`,
      )
  return notices
}

function dated(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ')
}
