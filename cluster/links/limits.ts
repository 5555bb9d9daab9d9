/** The bounds of the links between sites, each with its unit and its reason. */

/** What an idle link may send at once: below what a router's queue holds, and enough that a timer's slack costs no rate. */
export const BURST_MS = 250
/** How often it is looked whether a link opens or closes by the clock. */
export const LOOK_INTERVAL_MS = 2_000
/** How often a node tells the others what it sent and received over its links, while anything goes over them. */
export const TELL_INTERVAL_MS = 60_000
/** It tells at once past this: so far several nodes of a site go over a budget together at most, each. */
export const TELL_BYTES = 64 * 1024 * 1024
/** A node that tells of nothing for so long sends nothing over the link any more; so often it tells while it does. */
export const SENDING_MS = 5_000
export const SENDING_TELL_INTERVAL_MS = 2_000
/** Of telling the nodes of the own site: they answer from memory. */
export const SENDING_TIMEOUT_MS = 2_000
