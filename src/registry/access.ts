/** What a request on the registry's door wants to do. */
export type Need =
  | { readonly repository: string; readonly action: 'pull' | 'push' | 'delete' }
  | { readonly catalog: true }
  /** Any valid credential: `GET /v2/`. */
  | { readonly ping: true }

/** What of a request decides who is asking, and how a challenge must be worded. */
export interface RegistryRequest {
  readonly authorization: string | undefined
  readonly scheme: 'http' | 'https'
  /** Host header, for the token realm. */
  readonly host: string
  /** The client's address: wrong passwords are counted per user and source. */
  readonly source?: string | undefined
}

/** Who was let in, and what else they may do. */
export interface Admitted {
  /** User id, or `anonymous`. */
  readonly principal: string
  /** For mounts and for listing: whether the same caller may read `repository`. */
  mayPull(repository: string): boolean
}

/** The registry's question to `access`; one decision for every door stands behind it. */
export interface RegistryAccess {
  /**
   * @throws Fault UNAUTHORIZED with facts.challenge, the value of WWW-Authenticate
   * @throws Fault DENIED when the caller is known and may not
   * @throws Fault TOO_MANY_REQUESTS after too many wrong passwords, and when too many log in at once
   */
  authorize(request: RegistryRequest, needs: readonly Need[]): Promise<Admitted>
}
