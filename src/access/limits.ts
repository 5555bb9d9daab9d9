const KiB = 1024

/**
 * argon2id as OWASP's password storage sheet asks for it (19 MiB, 2 passes, 1 lane): 12 ms on the machine
 * this was written on.
 */
export const PASSWORD_HASH_COST = {
  memoryCost: 19 * KiB,
  timeCost: 2,
  parallelism: 1,
  outputLen: 32,
} as const
/** Hashes at once: libuv has four threads, and files must still be read while people log in. */
export const PASSWORD_HASHES_CONCURRENT_MAX = 2
/** Log-ins that wait for a hash; at 12 ms each the last one waits under half a second. */
export const PASSWORD_HASHES_WAITING_MAX = 64
/** Harbor's policy. */
export const PASSWORD_CHARACTERS_MIN = 8
export const PASSWORD_CHARACTERS_MAX = 128
/** 24 of 58 characters: 140 bits. */
export const PASSWORD_GENERATED_CHARACTERS = 24

/** Wrong passwords that cost nothing but the hash: people mistype, scripts retry once or twice. */
export const LOGIN_FAILURES_FREE = 5
/** After those the wait doubles from here … */
export const LOGIN_BLOCK_FIRST_MS = 1000
/** … to here: 1440 guesses a day, and an owner behind the same address is never out for longer. */
export const LOGIN_BLOCK_MAX_MS = 60_000
/** A pair of user and source that failed and then kept quiet for this long starts afresh. */
export const LOGIN_FORGET_MS = 15 * 60_000
/** Pairs of user and source kept in mind; at 200 to 600 bytes each (names are cut), 12 MB at most. */
export const LOGIN_SOURCES_MAX = 20_000
/** Right passwords remembered (as a keyed hash), so that a pull of forty layers hashes once. */
export const LOGIN_REMEMBERED_MAX = 10_000
export const LOGIN_REMEMBERED_MS = 10 * 60_000

/**
 * Harbor's. A token is judged by this node's tables at every use, so its lifetime bounds what a stolen one is
 * worth, not how long a right that was taken away lives on.
 */
export const REGISTRY_TOKEN_SECONDS = 1800
/** As far as the setting goes; longer lives are refused whoever signed them. */
export const REGISTRY_TOKEN_SECONDS_MAX = 86_400
/** Harbor's leeway between two clocks. */
export const REGISTRY_TOKEN_LEEWAY_SECONDS = 60
/** Scopes of one token: docker asks for one, and up to a handful of mount sources; more would not fit a header. */
export const REGISTRY_TOKEN_SCOPES_MAX = 32
/** Half of what a request's headers may hold; 32 scopes of the longest names come to less. */
export const REGISTRY_TOKEN_CHARACTERS_MAX = 16 * KiB
/**
 * Tokens whose signature has been checked, by their characters: 10,000 ordinary ones. Anybody may ask for long
 * ones, so it is not their number that is bounded.
 */
export const REGISTRY_TOKENS_CHECKED_CHARACTERS_MAX = 8 * KiB * KiB
/** How long a request waits for this node to learn what the token's issuer had known. */
export const CATCH_UP_MS = 2000
