import type { Fault } from '../errors.ts'

/** What to do next, by code. A fault that was thrown with its own advice (facts.advice) gives that first. */
const ADVICE: Readonly<Record<string, string>> = {
  CONFIG_INVALID: '`flotilla help serve` lists the settings, each with its flag and variable',
  NODE_NOT_INITIALISED: 'make a new cluster with `flotilla init`, or enter one with `flotilla join INVITE`',
  DATA_DIR_IN_USE: 'choose another directory with --data-dir, or stop the node that has this one open',
  PORT_IN_USE:
    'choose another port (--http-port, --cluster-port, --swarm-port); `flotilla doctor` tests them',
  INVITE_INVALID: 'ask for a fresh one: `flotilla invite` on a running node of the cluster',
  INVITE_USED: 'an invite is good for one node: `flotilla invite` on a running node makes another',
  INVITE_WITHDRAWN: 'ask for a fresh one: `flotilla invite` on a running node of the cluster',
  APPROVAL_PENDING: 'another administrator than the inviter, at any member: `flotilla node approve NAME`',
  RECOVERY_REFUSED: 'the key is the one `flotilla init` of this very cluster showed',
  INVITE_EXPIRED: 'ask for a fresh one: `flotilla invite` on a running node of the cluster',
  PEER_UNREACHABLE:
    'is the inviting node running, and its cluster port reachable from here? `flotilla doctor`',
  UNAUTHORIZED:
    'check the name and the password; an administrator sets one with `flotilla user password NAME`',
  FORBIDDEN: 'this account may not; an administrator may',
  NODE_ROLE_FORBIDS:
    'the account may, this node does not: say the same to one of those with --server URL --username NAME, or on its own machine',
  NODE_SCOPE_FORBIDS:
    'say the same to a node that serves this tenant: `flotilla nodes` lists roles and tenants',
  JOURNAL_BUSY: 'the node is busy; try again in a moment',
  STORAGE_FULL: 'make room on the disk of the data directory',
  STORE_DAMAGED: '`flotilla doctor` on the machine of the node; or ask another node (--server URL)',
  STORE_ROW_DAMAGED:
    '`flotilla check` makes damaged records anew from the logs; or ask another node (--server URL)',
  STORE_UNREADABLE: '`flotilla doctor` on the machine of the node; or ask another node (--server URL)',
  CERTIFICATE_UNTRUSTED: 'name the CA of the server in NODE_EXTRA_CA_CERTS=/path/to/ca.pem',
}

export function adviceOn(fault: Fault): readonly string[] {
  const own = fault.facts.advice
  if (typeof own === 'string') return [own]
  if (fault.facts.from === 'flag') return []
  const known = ADVICE[fault.code]
  return known === undefined ? [] : [known]
}
