/** The bounds of the swarm, each with its unit and its reason. */

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

/** Small pieces make a swarm efficient: 256 per blob are enough, 64 measured too few. */
export const PIECE_BYTES_MIN = 256 * KiB
/** Pieces double in length past this count, so that 20 bytes a piece stay a 40 KB message. */
export const PIECES_TARGET_MAX = 2048
/** One piece is one SHA-1 and one buffer: 8 MiB is about 8 ms of the event loop. */
export const PIECE_BYTES_MAX = 8 * MiB
/** A larger blob is a claim nobody can keep: 131 072 pieces, 2.6 MB of hashes. */
export const BLOB_BYTES_MAX = 1024 * GiB

/** Bytes of one frame of the direct protocol: several share a window of the multiplexer. */
export const FRAME_BYTES = 64 * KiB
/** Of a frame over a link between sites: at its least rate several that wait for each other stay below FRAME_TIMEOUT_MS. */
export const LINK_FRAME_BYTES = 16 * KiB
/** Of the words with which a member refuses: a sentence or two. */
export const REFUSED_CHARS_MAX = 400
/** A caller who wants a blob is told after this that nobody answered. */
export const FIND_TIMEOUT_MS = 5_000
/** A request of the direct protocol has a digest and two numbers. */
export const HAVE_TIMEOUT_MS = 5_000
/** A channel on which nothing moved for so long has a dead end. */
export const FRAME_TIMEOUT_MS = 15_000
/** While a holder still hashes the pieces it says so this often: below FRAME_TIMEOUT_MS. */
export const PIECES_PENDING_INTERVAL_MS = 3_000
/** The first piece over a long link: 256 KiB at 0.5 Mbit/s; who is slower gets it with all others. */
export const OPENING_TIMEOUT_MS = 4_000
/** Hashing 100 GiB; who takes longer than this is passed over. */
export const PIECES_TIMEOUT_MS = 5 * 60_000
/** Questions one fetch has open at a time: a stream each. */
export const ASKS_CONCURRENT_MAX = 16
/** A member that is itself still looking is asked again this many times before it counts as lacking the blob. */
export const ASK_AGAIN_TIMES_MAX = 3
export const ASK_AGAIN_MS = 300
/** A question whose channel broke is asked once more. */
export const ASK_ATTEMPTS_MAX = 2
/** Blobs this node sends over streams at a time; more wait, each holds a file and a buffer. */
export const DIRECT_SENDS_CONCURRENT_MAX = 16

/** Fetches that run at a time: each holds a staged file and some pieces in memory. */
export const FETCHES_CONCURRENT_MAX = 64
/** Fetches that wait for their turn; past it a caller is told so at once. */
export const FETCHES_WAITING_MAX = 1024
/** From here a download survives a restart half-way: below, fetching it again costs less than syncing does. */
export const RESUME_BYTES_MIN = 8 * MiB
/** Written and not yet in the piece map: a power cut costs the hashing of so much, or its way over a link. */
export const CHECKPOINT_BYTES = 32 * MiB
/** Read of each piece that is in no map, to pass over holes: one page of the disk's. */
export const PIECE_PROBE_BYTES = 4 * KiB
/** A fetch starts over when the bytes did not give the digest: so many lies, then it is over. */
export const FETCH_ATTEMPTS_MAX = 4
/** A site's next node fetches over the long link when the one whose turn it is has brought nothing for so long. */
export const TAKEOVER_MS = 2_000
/** From this turn on nodes do not wait longer for each other: below STALL_MS altogether. */
export const TAKEOVER_RANK_MAX = 4
/** The nodes of the own site are heard first for so long, before a blob is fetched over a long link. */
export const NEAR_PATIENCE_MS = 100
/** How often a fetch asks those of its own site anew how far they are. */
export const NEAR_ASK_INTERVAL_MS = 2_000
/** Below twice this round trip sites are as near as each other: a city, not a country. */
export const NEAR_RTT_MS = 10
/** Others may answer for so long before a blob is fetched over a metered link: a round trip over a slow one. */
export const METERED_PATIENCE_MS = 500
/** Members one fetch exchanges pieces with: more add connections, not speed. */
export const PEERS_PER_FETCH_MAX = 16
/** No byte by torrent for so long: what is missing is asked for over a stream. */
export const STALL_MS = 10_000
/** How often a fetch looks after its connections. */
export const TEND_INTERVAL_MS = 500
/** Of two fellows one dials at once, the other after this: a handshake and a question, over a long link too. */
export const FELLOW_DIAL_MS = 3_000
/** A member that could not be dialled is tried again after this, doubled each time. */
export const REDIAL_MS = 500
export const REDIAL_TIMES_MAX = 5
/** Holders of the whole that were dialled so often without a piece coming are asked over a stream instead. */
export const DIALS_IN_VAIN_MAX = 2

/** Hashing reads the disk and burns a core: two at a time leave room for pulls. */
export const HASHINGS_CONCURRENT_MAX = 2
/** Announced blobs that wait for hashing; past it they are hashed when somebody asks. */
export const HASHINGS_WAITING_MAX = 10_000
/** Torrents kept in memory after use: some 200 of the usual 80 KB, or three of the largest blobs. */
export const TORRENTS_REMEMBERED_BYTES_MAX = 16 * MiB
/** Infohashes members were told of lately: only these are woken by a handshake. */
export const INFOHASHES_TOLD_MAX = 100_000
/** Active torrents hold a file and about 43 KB each. */
export const SESSIONS_MAX = 256
/** A torrent without a connection goes to sleep after this. */
export const SESSION_IDLE_MS = 5_000

/** Sockets in all, and those whose owner is not yet known: strangers must not crowd out members. */
export const CONNECTIONS_MAX = 512
export const CONNECTIONS_UNKNOWN_MAX = 128
/** One member's share: a connection is one blob. */
export const CONNECTIONS_PER_MEMBER_MAX = 128
/** Strangers are told of in the log once in this time. */
export const REFUSAL_LOG_INTERVAL_MS = 10_000
/** TLS and the first 48 bytes of the torrent wire must come within this. */
export const HANDSHAKE_TIMEOUT_MS = 10_000
/** Requests (16 KiB) a peer may have open: 8 MiB on their way fill 80 MB/s at 100 ms. */
export const REQUESTS_OPEN_MAX = 512
/** What a seeder has read for one peer and its socket has not taken: the more a peer asks for, the less it costs. */
export const SEND_AHEAD_BYTES_MAX = 1 * MiB
/** The longest message of the wire: a block is 16 KiB, a bitfield of the largest blob 16 KiB. */
export const WIRE_MESSAGE_BYTES_MAX = 128 * KiB + 64
/** Blocks read ahead for peers, of all torrents together: 128 peers that each are somewhere else. */
export const READ_AHEAD_BYTES_MAX = 32 * MiB
/** The engine's thread tells what was sent this often, not for every block. */
export const SENT_REPORT_INTERVAL_MS = 200
/** A thread that ended by an error is started anew after this. */
export const ENGINE_RESTART_MS = 1_000
/** Connections that may upload at once per torrent: members need no tit for tat. */
export const UPLOAD_SLOTS = 32
/** Verified pieces waiting for the disk; past it no more are asked for. */
export const WRITES_WAITING_BYTES_MAX = 64 * MiB

/** Buffers of pieces kept for the next ones, of all torrents together. */
export const PIECE_BUFFERS_IDLE_BYTES_MAX = 16 * MiB

/** Member and digest pairs that gave wrong bytes, and how long they are passed over. */
export const DISTRUST_MAX = 1024
export const DISTRUST_MS = 10 * 60_000
/** Members that gave wrong bytes, whatever of: others are asked first for so long. */
export const SUSPECTS_MAX = 1024
export const SUSPICION_MS = 30 * 60_000
/** What an operator sees of the last transfers. */
export const RECENT_TRANSFERS_MAX = 50
