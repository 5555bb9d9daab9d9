import type { Channel, NodeId } from './network.ts'

/** What the admission desk needs of the host. */
export interface InviteeNetwork {
  readonly self: NodeId
  addresses(): string[]
  /** Serves holders of an invite, on the connection made with the invite's key, and nobody else. */
  handleInvited(protocol: string, serve: (channel: Channel, inviteId: string) => Promise<void>): Promise<void>
}
