/** Every bound of the product, with its unit and its reason. A room imports what it needs by name. */

const KiB = 1024
const MiB = 1024 * KiB

/** Harbor's and Distribution's cap too; larger ones are 413. */
export const MANIFEST_BYTES_MAX = 4 * MiB
/** From here a blob travels by BitTorrent; below, a torrent costs more round trips than it saves. */
export const TORRENT_BYTES_MIN = 256 * KiB
/** One pooled buffer of the blob read path: the measured optimum between syscalls and memory. */
export const BLOB_READ_CHUNK_BYTES = 1 * MiB
/** Writes are gathered to this size before they go to the file. */
export const BLOB_WRITE_CHUNK_BYTES = 1 * MiB
/** distribution-spec: repository names are limited by what clients put in a hostname/path of 255 bytes. */
export const REPOSITORY_NAME_BYTES_MAX = 255
/** A page of tags, catalog or referrers, whatever `n` asks for (CVE-2023-2253). */
export const PAGE_SIZE_MAX = 1000
/** Harbor's page sizes for the management API. */
export const API_PAGE_SIZE_DEFAULT = 10
export const API_PAGE_SIZE_MAX = 100

/** Ops that share one entry: one signature and one fsync for all of them. */
export const ENTRY_OPS_MAX = 256
/** Larger bodies are blobs with their digest in the op. OrbitDB entries stay small enough to gossip. */
export const ENTRY_BYTES_MAX = 128 * KiB
/** One op must leave room for its envelope. */
export const OP_BYTES_MAX = 96 * KiB
/** Depth is a count of causal steps; a number past this is an attack, not a history. */
export const DEPTH_MAX = 2 ** 48
/** Plans that wait for the group commit; past it a door answers 503 rather than grow without end. */
export const COMMIT_QUEUE_MAX = 10_000

/**
 * Room on the journal's disk that is never written into: LevelDB needs it to flush and merge, and what fails for
 * want of it leaves a torn log behind. Four times its write buffer.
 */
export const JOURNAL_RESERVE_BYTES = 16 * MiB

/** A connection on which nothing has moved for so long is closed; a slow commit to a slow disk fits in. */
export const HTTP_IDLE_MS_MAX = 5 * 60 * 1000
/** A client that needs longer for its request line and headers holds a connection, not a conversation. */
export const HTTP_HEADERS_MS_MAX = 15 * 1000
/** Request line and headers together; a long token fits, what is beyond is answered 431. */
export const HTTP_HEADER_BYTES_MAX = 32 * KiB
/** Longer than the load balancers before us keep theirs (60 s), so that they never write to a closed one. */
export const HTTP_KEEP_ALIVE_MS = 75 * 1000
/** Sockets at once; past it the kernel's queue makes clients wait. */
export const HTTP_CONNECTIONS_MAX = 10_000
/** How long requests under way may go on once the node has been told to stop. */
export const HTTP_GRACE_MS = 20 * 1000

/** An invite is for an operator at the other keyboard; a day is for shipping a machine. Longer, and it lies around. */
export const INVITE_SECONDS_MAX = 24 * 60 * 60

/** What visits and edges get unless somebody says otherwise: a stolen one stops by itself. Sites stay for good. */
export const MEMBERSHIP_DAYS_DEFAULT: Readonly<
  Record<'anchor' | 'replica' | 'edge' | 'readonly', number | null>
> = { anchor: null, replica: null, edge: 30, readonly: 30 }
/** Ten years: longer is for good. */
export const MEMBERSHIP_DAYS_MAX = 3650

/** Bytes a second of a link: below it 16 connections that share it would each wait for a block longer than the 30 s a wire lives. */
export const LINK_RATE_MIN = 10_000
