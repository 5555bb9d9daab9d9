import type {
  AdmissionLedger,
  AdmissionPackage,
  InviteRecord,
} from '../../../../cluster/membership/admission.ts'
import type { IssuedInvite } from '../../../../cluster/membership/admission-desk.ts'
import type { NodeId } from '../../../../cluster/network/network.ts'
import { Fault } from '../../../../src/errors.ts'
import type { NodeFacts } from '../../../../src/journal/rows.ts'
import { type ListRoster, runtime } from '../network/cast.ts'

export const inviteRow = (record: IssuedInvite, issuer: NodeId): InviteRecord => ({
  ...record,
  issuer,
  created: 'c'.repeat(22),
  actor: 'node',
  role: 'anchor',
  scope: null,
  approval: false,
  days: null,
  withdrawn: false,
  redeemedBy: null,
})

/** The journal's promise for one table in memory: each call in its turn, with a pause where the disk is. */
export class SerialLedger implements AdmissionLedger {
  readonly records = new Map<string, InviteRecord>()
  readonly admitted: NodeId[] = []
  readonly #admission: AdmissionPackage
  readonly #roster: ListRoster
  #turn: Promise<unknown> = Promise.resolve()

  constructor(admission: AdmissionPackage, roster: ListRoster) {
    this.#admission = admission
    this.#roster = roster
  }

  openInvites(): InviteRecord[] {
    return [...this.records.values()].filter(({ redeemedBy }) => redeemedBy === null)
  }

  admit(inviteId: string, node: NodeId, facts: NodeFacts): Promise<AdmissionPackage> {
    const turn = this.#turn.then(async () => {
      const record = this.records.get(inviteId)
      if (!record) throw new Fault('INVITE_UNKNOWN', 'the invite is not in the journal')
      if (record.redeemedBy === node) return this.#admission
      if (record.redeemedBy !== null) throw new Fault('INVITE_USED', 'the invite has been used')
      await runtime.timers.sleep(1)
      this.records.set(inviteId, { ...record, redeemedBy: node })
      this.admitted.push(node)
      this.#roster.put(node, { name: facts.name, addresses: facts.addresses })
      return this.#admission
    })
    this.#turn = turn.catch(() => {})
    return turn
  }
}
