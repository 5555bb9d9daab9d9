import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { Fault } from '../../src/errors.ts'
import { writeDurable } from '../../src/runtime/durable-file.ts'
import { APPROVAL_MEMORY_MS, INVITE_MEMORY_MS, INVITES_MAX } from '../limits.ts'
import type { NodeId } from '../network/network.ts'
import { inviteKey } from './invite-keys.ts'

/** An invite this node made, as long as it remembers it. */
export interface BookedInvite {
  readonly inviteId: string
  readonly expiresAt: number
  readonly wireKey: Uint8Array
  /** Gone once the invite can no longer be redeemed. */
  readonly secret: Uint8Array | undefined
  readonly redeemedBy: NodeId | undefined
}

/** When an invite looks like any wrong key: whoever came by it may have to wait for a second consent. */
export function forgottenAt({ expiresAt, redeemedBy }: BookedInvite): number {
  return expiresAt + (redeemedBy === undefined ? INVITE_MEMORY_MS : APPROVAL_MEMORY_MS)
}

/** The file: bytes as base64url, absent is null. */
const fileSchema = z.strictObject({
  version: z.literal(1),
  invites: z.array(
    z.strictObject({
      inviteId: z.string(),
      expiresAt: z.number(),
      wireKey: z.base64url(),
      secret: z.base64url().nullable(),
      redeemedBy: z.string().nullable(),
    }),
  ),
})

/**
 * The open invites' secrets, which the journal must not hold, in a file of this node alone (0600, durable).
 * A spent invite keeps its wire key for a while, so that a second use hears why it is refused.
 */
export class InviteBook {
  readonly #path: string
  readonly #invites = new Map<string, BookedInvite>()
  /** One write at a time, each of the newest state. */
  #written: Promise<void> = Promise.resolve()

  constructor(path: string) {
    this.#path = path
  }

  /** @throws Fault INVITES_UNREADABLE */
  async load(): Promise<void> {
    this.#invites.clear()
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (text === undefined) return
    try {
      for (const { inviteId, expiresAt, wireKey, secret, redeemedBy } of fileSchema.parse(JSON.parse(text))
        .invites)
        this.#invites.set(inviteId, {
          inviteId,
          expiresAt,
          wireKey: Buffer.from(wireKey, 'base64url'),
          secret: secret === null ? undefined : Buffer.from(secret, 'base64url'),
          redeemedBy: redeemedBy ?? undefined,
        })
    } catch (error) {
      const path = this.#path
      throw new Fault('INVITES_UNREADABLE', `the open invites at ${path} cannot be read`, { path }, error)
    }
  }

  get(inviteId: string): BookedInvite | undefined {
    return this.#invites.get(inviteId)
  }

  all(): BookedInvite[] {
    return [...this.#invites.values()]
  }

  /** @throws Fault INVITES_TOO_MANY */
  async add(inviteId: string, secret: Uint8Array, expiresAt: number): Promise<void> {
    if (this.#invites.size >= INVITES_MAX && !this.#forgetSpent())
      throw new Fault('INVITES_TOO_MANY', 'too many invites are remembered; wait until some have expired', {
        invitesMax: INVITES_MAX,
      })
    const wireKey = inviteKey(secret, inviteId)
    this.#invites.set(inviteId, { inviteId, expiresAt, wireKey, secret, redeemedBy: undefined })
    await this.#write()
  }

  async redeemed(inviteId: string, redeemedBy: NodeId): Promise<void> {
    const invite = this.#invites.get(inviteId)
    if (!invite) return
    this.#invites.set(inviteId, { ...invite, secret: undefined, redeemedBy })
    await this.#write()
  }

  /** Drops the secrets of what has expired, and all memory of what expired long ago. @returns the forgotten */
  async purge(now: number): Promise<BookedInvite[]> {
    const forgotten = this.all().filter((invite) => forgottenAt(invite) <= now)
    const expired = this.all().filter(({ secret, expiresAt }) => secret && expiresAt <= now)
    for (const invite of expired) this.#invites.set(invite.inviteId, { ...invite, secret: undefined })
    for (const { inviteId } of forgotten) this.#invites.delete(inviteId)
    if (expired.length + forgotten.length > 0) await this.#write()
    return forgotten
  }

  /** Makes room at the cost of the oldest that was used. */
  #forgetSpent(): boolean {
    const [oldest] = this.all()
      .filter(({ redeemedBy }) => redeemedBy !== undefined)
      .sort((a, b) => a.expiresAt - b.expiresAt)
    return oldest !== undefined && this.#invites.delete(oldest.inviteId)
  }

  #write(): Promise<void> {
    const write = () => {
      const invites = this.all().map(({ inviteId, expiresAt, wireKey, secret, redeemedBy }) => ({
        inviteId,
        expiresAt,
        wireKey: Buffer.from(wireKey).toString('base64url'),
        secret: secret ? Buffer.from(secret).toString('base64url') : null,
        redeemedBy: redeemedBy ?? null,
      }))
      const content: z.infer<typeof fileSchema> = { version: 1, invites }
      return writeDurable(this.#path, `${JSON.stringify(content, undefined, 2)}\n`, 0o600)
    }
    const written = this.#written.then(write)
    this.#written = written.catch(() => {})
    return written
  }
}
