/** The bounds of placement, each with its unit and its reason. */

/** Copies fetched at a time of the node's own accord: few, so that pulls are not kept waiting. */
export const COPIES_CONCURRENT_MAX = 4
/** New blobs that wait to be copied; past it the next look at all of them finds the rest. */
export const COPIES_WAITING_MAX = 10_000
/** What the records ask for is looked through again so long after something changed: a burst of pushes is one look. */
export const LOOK_AFTER_MS = 2_000
/** And no sooner than this many times as long as the last look took: one twentieth of a core at most. */
export const LOOK_REST_FACTOR = 20
/** Copies that could not be fetched are tried again after this, doubled each time. */
export const RETRY_MS_MIN = 5_000
export const RETRY_MS_MAX = 5 * 60_000
/** A blob somebody deleted from the disk by hand is missed within this. */
export const LOOK_INTERVAL_MS = 60 * 60_000

/** Digests of one question: 70 KB, and some 50 ms of looking at files. */
export const DIGESTS_ASKED_MAX = 1_000
/** Projects in one answer: some 100 bytes each. */
export const PROJECTS_TOLD_MAX = 10_000
/** A question about what is held or how far somebody is. */
export const ANSWER_MS_MAX = 10_000
/** Who waits for bytes or records says so this often: below ANSWER_MS_MAX. */
export const PENDING_INTERVAL_MS = 2_000
/** No push waits longer than its project says, and that is at most this. */
export const KEEP_MS_MAX = 5 * 60_000
/** Requests to keep something that one member may have open: a push has two at most. */
export const KEEPS_PER_MEMBER_MAX = 64
/** A push that found too few sites looks whether others have come up. */
export const KEEP_RETRY_MS = 500
