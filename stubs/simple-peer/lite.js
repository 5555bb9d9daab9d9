import { EventEmitter } from 'node:events'

export default class Peer extends EventEmitter {
  static WEBRTC_SUPPORT = false

  constructor() {
    super()
    throw new Error('WebRTC is not part of this build: peers come from membership, over TLS')
  }
}
