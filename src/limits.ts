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
