import type { Reason } from './rows.ts'

/** Why an op does not count, for people. */
const TEXTS: Readonly<Record<Reason, string>> = {
  unknown: 'this version does not know the kind of record; an upgrade will',
  form: 'the record is not of the form its kind asks for',
  powerless: 'whoever did this had not the right to',
  revoked: 'the right to do this was taken away at another site at the same time',
  'last-admin': 'nobody would be left to administer the cluster',
  'invite-used': 'the invite had been used by another node',
  evicted: 'the node that wrote this was removed from the cluster',
  immutable: 'the tag may not be changed once it is set',
  deleted: 'what it changes was deleted at another site at the same time',
  name: 'the name was taken at another site at the same time',
  quota: 'the node had not that much of the quota left to give',
}

export function refusalText(reason: Reason): string {
  return TEXTS[reason]
}
