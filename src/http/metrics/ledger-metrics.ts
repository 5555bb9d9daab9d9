import type { ClusterStatus, MemberStatus } from '../../registry/topology.ts'
import type { Metric, Sample } from './exposition.ts'

/** What a status says in numbers. What the refusals are called is this program's own list of codes, so it is short. */
export function ledgerMetrics({ members, lanes, refused, ledger, transfers }: ClusterStatus): Metric[] {
  const others = members.filter(({ self, state }) => !self && state === 'member')
  const perMember = (of: (member: MemberStatus) => number | null): Sample[] =>
    others.flatMap((member) => {
      const value = of(member)
      return value === null ? [] : [{ labels: { node: member.id, name: member.name }, value }]
    })
  const one = (value: number): Sample[] => [{ value }]
  const wires = Object.entries({ torrent: transfers.torrent, direct: transfers.direct })
  const perWire = (field: 'bytesReceived' | 'bytesSent'): Sample[] =>
    wires.map(([by, counters]) => ({ labels: { by }, value: counters[field] }))
  const counter = (name: string, help: string, samples: readonly Sample[]): Metric => ({
    name: `flotilla_${name}_total`,
    help,
    type: 'counter',
    samples,
  })
  const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => ({
    name: `flotilla_${name}`,
    help,
    type: 'gauge',
    samples,
  })
  return [
    counter(
      'ledger_refused',
      'Entries, snapshots and frames of gossip that were refused since the start, by reason.',
      Object.entries(refused).map(([code, value]) => ({ labels: { code }, value })),
    ),
    gauge(
      'ledger_entries',
      'Entries applied, by lane.',
      lanes.map(({ lane, entries }) => ({ labels: { lane }, value: entries })),
    ),
    gauge('ledger_feeds', 'Logs held, one per node and lane.', one(ledger.feeds)),
    gauge(
      'ledger_parked_entries',
      'Entries that wait for what comes before them.',
      one(ledger.parked.blocks),
    ),
    gauge('ledger_parked_bytes', 'Bytes of those.', one(ledger.parked.bytes)),
    counter('ledger_waited_entries', 'Entries that came before what they depend on.', one(ledger.waited)),
    counter('ledger_unknown_ops', 'Changes of kinds this version does not know.', one(ledger.unknownOps)),
    gauge('ledger_forks', 'Logs whose author signed two histories.', one(ledger.forks)),
    gauge('ledger_writable', '0 once this node’s own log is forked.', one(ledger.writable ? 1 : 0)),
    gauge('ledger_damaged_entries', 'Stored entries the disk has changed.', one(ledger.damagedEntries)),
    counter('ledger_mended_entries', 'Damaged entries fetched again.', one(ledger.mendedEntries)),
    gauge(
      'ledger_damaged_tables',
      'Families of tables that do not give their hash.',
      one(ledger.damagedTables.length),
    ),
    counter('ledger_mended_rows', 'Damaged rows made anew from the logs.', one(ledger.mendedRows)),
    counter('ledger_looks', 'Looks at all that is stored, come to their end.', one(ledger.looks)),
    counter('ledger_failed_looks', 'Looks that met what could not be read.', one(ledger.failedLooks)),
    gauge(
      'ledger_pruned_entries',
      'Entries a snapshot stands for, by lane.',
      lanes.map(({ lane, prunedEntries }) => ({ labels: { lane }, value: prunedEntries })),
    ),
    gauge(
      'ledger_log_bytes',
      'Bytes of log, by lane; an estimate.',
      lanes.map(({ lane, logBytes }) => ({ labels: { lane }, value: logBytes })),
    ),
    gauge(
      'snapshot_age_seconds',
      'Of the newest snapshot, by lane.',
      lanes.flatMap(({ lane, snapshot }) =>
        snapshot ? [{ labels: { lane }, value: snapshot.ageMs / 1000 }] : [],
      ),
    ),
    gauge('members', 'Members of the cluster, this node among them.', one(others.length + 1)),
    gauge(
      'member_connected',
      'Whether a connection stands.',
      perMember(({ connected }) => (connected ? 1 : 0)),
    ),
    gauge(
      'member_lag_entries',
      'Entries one side has and the other lacks.',
      perMember((member) => member.lagEntries),
    ),
    gauge(
      'member_last_exchange_seconds',
      'Since frontiers were last compared.',
      perMember(({ lastExchangeMs }) => (lastExchangeMs === null ? null : lastExchangeMs / 1000)),
    ),
    gauge(
      'member_rtt_seconds',
      'Round trip of the last ping.',
      perMember(({ rttMs }) => (rttMs === null ? null : rttMs / 1000)),
    ),
    counter('blob_received_bytes', 'Blobs that came from members.', perWire('bytesReceived')),
    counter('blob_sent_bytes', 'Blobs that went to members.', perWire('bytesSent')),
  ]
}
