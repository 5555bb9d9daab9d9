import { INVITE_SECONDS_MAX } from '../src/limits.ts'

/** Bounds of the cluster's rooms, each with its unit and reason. Rooms append; nobody renames. */

const KiB = 1024
const MiB = 1024 * KiB

// network

/** One message of a channel: a catch-up page is 2 MB, twice that leaves room and still fits a small heap. */
export const CHANNEL_MESSAGE_BYTES_MAX = 4 * MiB
/** A served channel waits this long for the other side to read the rest and close. */
export const CHANNEL_LINGER_MS = 10_000
/** Streams of one protocol on one connection; a member that opens more is broken or hostile. */
export const PROTOCOL_STREAMS_MAX = 64
/** Streams of all protocols on one connection. */
export const CONNECTION_STREAMS_MAX = 256
/** What a peer may send on one stream before it is read: 2 MiB fills 10 MB/s at 200 ms round trip. */
export const STREAM_WINDOW_BYTES_MAX = 2 * MiB
/** Twice the window: a paused stream never overflows, a stream nobody reads is cut here. */
export const STREAM_BUFFER_BYTES_MAX = 4 * MiB
/** Two connections with each of 200 members, and room for invitees. */
export const CONNECTIONS_MAX = 512
/** Half-open inbound connections; a stranger is gone within HANDSHAKE_MS_MAX at the latest. */
export const INBOUND_PENDING_MAX = 128
/** New inbound connections per second from one address: 16/s over 5 s stays below INBOUND_PENDING_MAX. */
export const INBOUND_PER_HOST_PER_SECOND_MAX = 16
/** Nonces, Noise and muxer of one connection: five round trips of a bad intercontinental link. */
export const HANDSHAKE_MS_MAX = 5_000
/** Resolving, connecting and upgrading one of a member's addresses. */
export const DIAL_ADDRESS_MS_MAX = 5_000
/** All addresses of a member together. */
export const DIAL_MS_MAX = 15_000
/** A node announces few addresses; more are an attempt to have us scan somebody's network. */
export const ADDRESSES_PER_PEER_MAX = 16
export const DIALS_CONCURRENT_MAX = 32
/** First wait before a member is dialled again; doubles up to REDIAL_MS_MAX, with jitter. */
export const REDIAL_MS_MIN = 250
/** A healed link is noticed within this, at one dial per lost member. */
export const REDIAL_MS_MAX = 15_000
/** Dead connections are noticed within two of these. */
export const PING_INTERVAL_MS = 5_000
/** A stream of pings is ended by who answers them, so that nothing is kept for ever for one that is gone. */
export const PING_STREAM_MS_MAX = 3_600_000
/** How often the host looks for members whose gossip stream is gone, and mends it. */
export const PEER_CHECK_MS = 5_000
/** One gossip message: an entry of ENTRY_BYTES_MAX with signature and envelope. */
export const GOSSIP_MESSAGE_BYTES_MAX = 192 * KiB
/** One gossip frame (many messages when a peer asked for them); what exceeds it costs the sender the stream. */
export const GOSSIP_FRAME_BYTES_MAX = 4 * MiB
/** Three topics exist; CVE-2026-46679 came as 349,525 subscriptions in one frame. */
export const GOSSIP_SUBSCRIPTIONS_MAX = 16
/** Messages in one frame. */
export const GOSSIP_MESSAGES_MAX = 1_024
/** Message ids in one IHAVE or IWANT: gossipsub's own bound for a heartbeat. */
export const GOSSIP_IDS_MAX = 5_000
/** Control messages of one kind in one frame: one per topic is normal. */
export const GOSSIP_CONTROLS_MAX = 64
/** Gossip one member may send: past the burst its stream is read no faster than this. */
export const GOSSIP_BYTES_PER_SECOND_MAX = 16 * MiB
export const GOSSIP_BURST_BYTES = 32 * MiB
/** Gossip waiting for one slow member; past it the stream is dropped and anti-entropy catches the member up. */
export const GOSSIP_OUTBOUND_BYTES_MAX = 16 * MiB

// membership

/** Half an hour is enough to walk to the other machine; a day is the most an open door may stay open. */
export const INVITE_MS_DEFAULT = 30 * 60_000
export const INVITE_MS_MAX = INVITE_SECONDS_MAX * 1000
/** A spent or expired invite still gets a clear answer for this long, then looks like any wrong key. */
export const INVITE_MEMORY_MS = 60 * 60_000
/** Every key is tried on a connection whose key is none of the first: 256 cost 2 ms, at 16 a second per host. */
export const INVITES_MAX = 256
/** Addresses in an invite: more make the text too long to paste. */
export const INVITE_ADDRESSES_MAX = 8
/** Invitees connected at once; the rest try again. */
export const INVITE_CONNECTIONS_MAX = 64
/** An invitee says one thing and hears one answer; a journal under load needs seconds for it. */
export const INVITE_CONNECTION_MS_MAX = 30_000
/** A whole redemption at the joiner, retries included. */
export const REDEEM_MS_MAX = 60_000
/** So long a newcomer waits, in one go, for the second consent to it. */
export const APPROVAL_WAIT_MS_MAX = 30 * 60_000
/** How often it asks. */
export const APPROVAL_ASK_MS = 2_000
/** So long after its end a redeemed invite still opens the desk to who redeemed it, that it may wait on. */
export const APPROVAL_MEMORY_MS = 7 * 24 * 60 * 60_000
/** A member that was away for less than this while the network key was changed is still let in, and told the new one. */
export const NETWORK_KEY_WINDOW_MS = 24 * 60 * 60_000
/** Node's timers fire at once beyond this. */
export const TIMER_MS_MAX = 2 ** 31 - 1
/** Memberships are renewed when this part of their term is left: ten days of thirty for a node to be seen in. */
export const RENEWAL_SHARE = 1 / 3
/** How often anchors look whose membership is to be renewed. */
export const RENEWAL_CHECK_MS = 60_000
/** A key on record that could not be written down is tried again after so long: a disk may be full for a while. */
export const NETWORK_KEY_RETRY_MS = 5_000
/** What all members may do and one should: each waits by chance up to this, so that mostly one does it. */
export const ONE_OF_MANY_MS = 3_000
/** What a review shows of a node's past; more is for the log itself. */
export const REVIEW_OPS_MAX = 1_000
/** Entries a review looks at in each log, newest first. */
export const REVIEW_ENTRIES_MAX = 100_000
/** A node that was just started waits so long to compare with a member before it writes for the first time. */
export const FIRST_COMPARISON_MS_MAX = 2_000
/** So long a node may lack what others say they have before it calls itself degraded. */
export const LAG_MS_MAX = 60_000

// ledger

/** A signed block: an entry of ENTRY_BYTES_MAX with OrbitDB's links, key and signature around it. */
export const BLOCK_BYTES_MAX = 132 * KiB
/** Blocks checked together, and applied as one synced batch at most. */
export const INGEST_BATCH_BLOCKS_MAX = 256
/** A batch also ends here: ops cost some 0.1 ms each, and requests must not wait much longer than 50 ms. */
export const INGEST_BATCH_OPS_MAX = 512
/** Blocks that wait in memory for what they depend on; the rest is asked for again. */
export const PARKED_BLOCKS_MAX = 1024
export const PARKED_BYTES_MAX = 8 * MiB
/** Feeds in one exchange: 5,000 nodes of two lanes, a message of some 1.3 MB. */
export const FEEDS_MAX = 10_000
/** One page of catching up: large enough that round trips do not count, half of what a channel carries. */
export const PAGE_BYTES_MAX = 2_000_000
/** Blocks are at least some 400 bytes, so that this bounds only what a page costs to take apart. */
export const PAGE_BLOCKS_MAX = 4096
/** A peer that asks nothing for this long has lost interest. */
export const CONVERSATION_IDLE_MS_MAX = 60_000
/** Two pulls and two comparisons at once are normal. */
export const CONVERSATIONS_PER_PEER_MAX = 8
/** A page of 2 MB within this is 130 kB/s: below it, another peer is the better one to ask. */
export const ANSWER_MS_MAX = 15_000

/** A leaving node waits this long for somebody to hear of it. */
export const LEAVE_SPREAD_MS_MAX = 5_000
/** Gossiped entries that wait while a batch is written; what is dropped is caught up. */
export const GOSSIP_QUEUE_BYTES_MAX = 8 * MiB
/** Blocks of one gossip message; one of BLOCK_BYTES_MAX still goes, alone. */
export const GOSSIP_BLOCKS_BYTES_MAX = 120 * KiB
/** What fits into that at some 400 bytes a block. */
export const GOSSIP_BLOCKS_MAX = 512
/** A burst's entries share messages sent this far apart: a message costs each node some 2 ms of work. */
export const GOSSIP_REST_MS = 5
/** How often a node compares with peers, give or take half: the bound on healing where nothing else tells. */
export const COMPARE_INTERVAL_MS = 3_000
/** Comparisons begun at once; in a larger cluster a peer's turn comes less often. */
export const COMPARES_PER_ROUND_MAX = 8
/** Gossip from several peers arrives out of order by less than this. */
export const HOLE_PATIENCE_MS = 150
/** Two, so that one slow peer does not hold everything up; more would mostly bring the same entries. */
export const PULLS_CONCURRENT_MAX = 2
/** Longest rest for a peer whose answers fail or cannot be used. */
export const PULL_BACKOFF_MS_MAX = 5 * 60_000
/** A newcomer answers clients once it has the records, or after this long without. */
export const FIRST_CATCH_UP_MS_MAX = 60_000
/** So long an evicted member's connections stay, that the record of its eviction can reach it by gossip. */
export const FAREWELL_MS = 500
/** Conversations with nodes that were put out, at once: one each for a site's worth of them. */
export const FORMER_CONNECTIONS_MAX = 16
/** One such conversation: FORMER_BYTES_MAX each way at 2 Mbit/s. */
export const FORMER_CONNECTION_MS_MAX = 20_000
/** After one the same node waits so long for the next. */
export const FORMER_REST_MS = 2_000
/** Of records, each way in one conversation: some 3,000 decisions; the next conversation goes on from there. */
export const FORMER_BYTES_MAX = 2 * MiB
/** Of records from one such node since this one started: what it writes by itself is kept for ever. */
export const FORMER_TAKEN_BYTES_MAX = 16 * MiB
/** One with which all is said is not dialled again before this. */
export const FORMER_SETTLED_MS = 10 * 60_000
/** Connections a member closes without a word before an operator is told: some 4 s of dialling, in which a newcomer is heard of. */
export const HANG_UPS_TOLD = 5

// snapshots and pruning

/** Entries a lane grows by before it is snapshotted again: a newcomer replays at most about twice that. */
export const SNAPSHOT_ENTRIES = 10_000
/** Or bytes of log, where entries are large. */
export const SNAPSHOT_LOG_BYTES = 64 * MiB
/** How often a member looks whether a lane is due, or a snapshot of another's is to be attested. */
export const SNAPSHOT_CHECK_MS = 5_000
/** Members look at different moments, so that mostly one of them writes. */
export const SNAPSHOT_JITTER_MS = 10_000
/** A lane that has rested for so long stands the same elsewhere, and can be attested. */
export const SNAPSHOT_QUIET_MS = 1_000
/** A lane that never rests is snapshotted all the same. */
export const SNAPSHOT_PATIENCE_MS = 5 * 60_000
/** How often a position is remembered while a lane changes: hashing the feeds costs some ms with 200 nodes. */
export const POSITION_REST_MS = 250
/** Positions remembered per lane, against which others' snapshots are held. */
export const POSITIONS_MAX = 256
/** One signer may err or lie; where there are two members, two must say the same. */
export const SNAPSHOT_SIGNERS_MIN = 2
/** One more than needed, for the case that one of them is evicted. */
export const SNAPSHOT_SIGNERS_WANTED = 3
/** Below this many entries, replaying costs less than fetching a blob. */
export const SNAPSHOT_WORTH_ENTRIES = 1_000
/** Rows are packed by as much: enough for zstd to find what repeats, and what either side holds in memory. */
export const SNAPSHOT_CHUNK_BYTES = 256 * KiB
/** A frame gives at most so many times its length: rows of a catalog give some 3 to 5 times. */
export const SNAPSHOT_EXPANSION_MAX = 64
/** One frame: a header that names FEEDS_MAX feeds, or a chunk that ends in the largest row. */
export const SNAPSHOT_FRAME_BYTES_MAX = 8 * MiB
/** One row: a register holds concurrent values only, so that even a manifest's stays far below. */
export const SNAPSHOT_ROW_BYTES_MAX = 4 * MiB
/** A table's key: a repository key, a digest and a tag are below 1 KiB. */
export const SNAPSHOT_KEY_BYTES_MAX = 4 * KiB
/** Written as one synced batch while installing: fsyncs do not count, and nobody waits 50 ms for the event loop. */
export const INSTALL_BATCH_BYTES = 1 * MiB
/** A snapshot's blob must begin to arrive within this, or the next one is tried. */
export const SNAPSHOT_FETCH_MS_MAX = 10 * 60_000
/** Superseded snapshots' blobs kept: one that somebody may be fetching. */
export const SNAPSHOT_BLOBS_KEPT = 2
/** Rows deleted as one batch while pruning, and the rest between two, so that requests do not notice. */
export const PRUNE_SLICE_ROWS = 1_000
export const PRUNE_REST_MS = 20
/** Rows dropped at a time with the writer waiting: some 0.2 s, for each begins by looking where they are. */
export const DROP_SLICE_ROWS = 10_000
/** How often a member looks whether anything has become stable. */
export const PRUNE_CHECK_MS = 60_000
/** Months of trail that are kept by default: a year, as auditors ask. */
export const TRAIL_MONTHS_DEFAULT = 12
