import type { Fault } from '../../src/errors.ts'
import { TORRENT_BYTES_MIN } from '../../src/limits.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { Purpose } from '../../src/registry/blob-source.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import type { LinkRules } from '../links/links.ts'
import type { Channel, NodeId } from '../network/network.ts'
import { type BlobRequest, type HaveAnswer, parseRequest } from './blob-protocol.ts'
import {
  DIRECT_SENDS_CONCURRENT_MAX,
  FRAME_BYTES,
  FRAME_TIMEOUT_MS,
  LINK_FRAME_BYTES,
  PIECES_PENDING_INTERVAL_MS,
  REFUSED_CHARS_MAX,
} from './limits.ts'
import type { Torrent } from './torrent.ts'
import type { TorrentShelf } from './torrent-shelf.ts'
import type { Transfers } from './transfers.ts'
import { Places, within } from './waiting.ts'

/** What this node has of a blob that is still on its way here. */
export interface PartialBlob {
  /** Unknown while the fetch still looks for a holder. */
  readonly size: number | undefined
  readonly torrent: Torrent | undefined
  /** This node fetches it from another site. */
  readonly ingress: boolean
  /** A member that wants it, too. */
  wantedBy(member: NodeId): void
}

export interface AnsweringComponents {
  readonly blobs: BlobStore
  readonly shelf: TorrentShelf
  readonly transfers: Transfers
  readonly timers: Timers
  readonly links: LinkRules
  readonly isOfRecords: (digest: Digest) => Promise<boolean>
  readonly mayHold: (member: NodeId, digest: Digest) => Promise<boolean>
  readonly fetching: (digest: Digest) => PartialBlob | undefined
}

/** The answering end of the blob protocol. */
export class Answering {
  readonly #components: AnsweringComponents
  readonly #sends = new Places(DIRECT_SENDS_CONCURRENT_MAX)

  constructor(components: AnsweringComponents) {
    this.#components = components
  }

  /** Answers the questions of one channel until the other end closes it; the network ends the channel. */
  async serve(channel: Channel, signal: AbortSignal): Promise<void> {
    const { timers } = this.#components
    for (;;) {
      const message = await within(timers, FRAME_TIMEOUT_MS, signal, (signal) => channel.receive(signal))
      if (message === undefined) return
      const request = parseRequest(message)
      // Who has what crosses any link; over a closed one nothing of a blob does.
      const refusal = request.ask === 'have' ? undefined : await this.#refusal(channel.peer, request.digest)
      if (refusal) {
        const { message, facts: closed } = refusal
        await this.#send(channel, { refused: message.slice(0, REFUSED_CHARS_MAX), closed }, signal)
      } else if (await this.#components.mayHold(channel.peer, request.digest)) {
        await this.#answer(channel, request, signal)
      } else {
        await this.#send(channel, request.ask === 'have' ? { have: 'none' } : REFUSED, signal)
      }
    }
  }

  async #answer(channel: Channel, request: BlobRequest, signal: AbortSignal): Promise<void> {
    switch (request.ask) {
      case 'have':
        return this.#send(channel, await this.#have(request.digest, channel.peer), signal)
      case 'pieces':
        return this.#sendPieces(channel, request.digest, signal)
      case 'read':
        return this.#sendRange(channel, request.digest, request.first, request.last, signal)
    }
  }

  async #have(digest: Digest, asker: NodeId): Promise<HaveAnswer> {
    const { blobs, shelf, fetching } = this.#components
    const held = await blobs.stat(digest)
    if (held) {
      const torrent = await shelf.ready(digest, held.size)
      if (torrent) shelf.told(torrent)
      else if (held.size >= TORRENT_BYTES_MIN) shelf.prepare(digest) // the question for the pieces is next
      return { have: 'whole', size: held.size, ...(torrent && { infoHash: torrent.infoHash }) }
    }
    const part = fetching(digest)
    if (!part) return { have: 'none' }
    part.wantedBy(asker)
    return {
      have: 'part',
      ...(part.size !== undefined && { size: part.size }),
      ...(part.torrent && { infoHash: part.torrent.infoHash }),
      ingress: part.ingress,
    }
  }

  async #sendPieces(channel: Channel, digest: Digest, signal: AbortSignal): Promise<void> {
    const { shelf, timers, fetching } = this.#components
    const torrent = fetching(digest)?.torrent
    const finding = torrent ? Promise.resolve(torrent) : shelf.of(digest, signal)
    // Hashing a large blob takes its time; a word now and then tells that somebody is at it.
    let found: Torrent | undefined | 'pending' = 'pending'
    while (found === 'pending') {
      const done = new AbortController()
      const pause = timers.sleep(PIECES_PENDING_INTERVAL_MS, AbortSignal.any([signal, done.signal])).then(
        () => 'pending' as const,
        () => finding,
      )
      found = await Promise.race([finding, pause]).finally(() => done.abort())
      if (found === 'pending') await this.#send(channel, { pending: true }, signal)
    }
    if (!found) return this.#send(channel, REFUSED, signal)
    shelf.told(found)
    const { size, infoHash, pieces } = found
    await this.#send(channel, { size, infoHash, bytes: pieces.length }, signal)
    const purpose = await this.#purposeOf(channel.peer, digest)
    for (const frame of this.#framesTo(channel.peer, pieces))
      await this.#sendBytes(channel, frame, purpose, signal)
  }

  async #sendRange(
    channel: Channel,
    digest: Digest,
    first: number,
    last: number,
    signal: AbortSignal,
  ): Promise<void> {
    const giveBack = await this.#sends.take(signal)
    try {
      const purpose = await this.#purposeOf(channel.peer, digest)
      const blob = await this.#components.blobs.open(digest)
      try {
        if (!blob || first > last || last >= blob.size) return await this.#send(channel, REFUSED, signal)
        await this.#send(channel, { bytes: last - first + 1 }, signal)
        for await (const chunk of blob.stream({ first, last }, signal)) {
          for (const frame of this.#framesTo(channel.peer, chunk)) {
            await this.#sendBytes(channel, frame, purpose, signal)
            this.#components.transfers.sent('direct', frame.length)
          }
        }
      } finally {
        await blob?.close()
      }
    } finally {
      giveBack()
    }
  }

  async #refusal(member: NodeId, digest: Digest): Promise<Fault | undefined> {
    return this.#components.links.refusal(member, await this.#purposeOf(member, digest))
  }

  /** What records are made from is looked for only where it makes a difference. */
  async #purposeOf(member: NodeId, digest: Digest): Promise<Purpose> {
    const { links, isOfRecords } = this.#components
    return links.refusal(member, 'pull') && (await isOfRecords(digest)) ? 'records' : 'pull'
  }

  /** At the pace of the link; the turn is waited for before the frame's own time begins. */
  async #sendBytes(
    channel: Channel,
    frame: Uint8Array,
    purpose: Purpose,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#components.links.pace(channel.peer, purpose)?.send(frame.length, signal)
    await this.#send(channel, frame, signal)
  }

  *#framesTo(member: NodeId, bytes: Uint8Array): Iterable<Uint8Array> {
    const length = this.#components.links.pace(member, 'pull') ? LINK_FRAME_BYTES : FRAME_BYTES
    for (let offset = 0; offset < bytes.length; offset += length) {
      yield bytes.subarray(offset, offset + length)
    }
  }

  async #send(channel: Channel, message: unknown, signal: AbortSignal): Promise<void> {
    await within(this.#components.timers, FRAME_TIMEOUT_MS, signal, () => channel.send(message))
  }
}

const REFUSED = { refused: 'this node does not give the blob' }
