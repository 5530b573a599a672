import { EventEmitter } from 'node:events'
import type { DataChannel, PeerConnection } from 'node-datachannel'
import { orAborted } from '../../lib/deadline.ts'
import { type Candidate, candidatesIn, checkDescription } from './session-description.ts'

/**
 * A peer connection with one data channel, which both ends have agreed on: its number is 0. Messages on it arrive whole
 * and in order. Nothing limits the sender, so the users of the channel agree on how much may be on its way.
 */
export interface ChannelConnection extends MessageChannel {
  /**
   * This end's description and addresses: all of them, or those that are known after two seconds.
   * @throws the signal's reason, or Error when the connection has ended
   */
  describe(signal: AbortSignal): Promise<LocalDescription>
  /** Takes the other end's description. @throws Error when it is malformed */
  accept(type: 'offer' | 'answer', description: string): void
  /** Sends packets to an address of the other end. */
  tryAt(candidate: Candidate): void
  /**
   * Resolves when messages can be sent, with the address of the other end, if it is known.
   * @throws the signal's reason, or Error when the connection has ended
   */
  opened(signal: AbortSignal): Promise<{ ip: string; port: number } | undefined>
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>
}

/** The messages of a connection. */
export interface MessageChannel {
  /** @throws Error when the connection is not open */
  send(message: Uint8Array): void
  /** The listener gets each message, a text as a string. There is one listener. */
  onMessage(listener: (message: string | Buffer | ArrayBuffer) => void): void
  /** Ends the connection. What was sent arrives, while the other end is there. Idempotent. */
  close(): void
  /**
   * Called once, when either end has closed the connection or it has failed. Messages that came before may be told
   * after it, in the same turns of the event loop: the native library tells both by queues of their own.
   */
  onClosed(listener: () => void): void
}

export interface LocalDescription {
  description: string
  candidates: Candidate[]
}

/** Both ends know it, so no channel has to be announced. */
const channelNumber = 0
/** Media section of the data channels in a description written by the native library. */
const mid = '0'
/** Milliseconds to learn this end's addresses: a STUN server that does not answer would take half a minute. */
const gatherMs = 2_000
/** Milliseconds for what was sent before the end: closing the native connection drops it. */
const closeGraceMs = 1_000
const endStates = new Set(['disconnected', 'failed', 'closed'])

/** @param native with one listener each, which this call sets */
export function createChannelConnection(native: PeerConnection): ChannelConnection {
  const events = new EventEmitter()
  const gathered = Promise.withResolvers<void>()
  const open = Promise.withResolvers<void>()
  const end = Promise.withResolvers<void>()
  let channel: DataChannel | undefined
  let isEnded = false
  open.promise.catch(() => undefined)

  function finish(): void {
    if (isEnded) return
    isEnded = true
    open.reject(new Error('the connection has ended'))
    gathered.resolve()
    end.resolve()
    events.emit('closed')
  }

  /** What was sent is still on its way. */
  function close(): void {
    if (isEnded) return
    channel?.close()
    finish()
    setTimeout(() => native.close(), closeGraceMs).unref()
  }

  function fail(): void {
    native.close()
    finish()
  }

  native.onStateChange((state) => {
    if (endStates.has(state)) fail()
  })
  native.onGatheringStateChange((state) => {
    if (state === 'complete') gathered.resolve()
  })
  // No honest peer opens another.
  native.onDataChannel((another) => {
    another.close()
    fail()
  })

  /** An offer is written when the channel exists, and an answer when an offer was accepted. */
  function openChannel(): void {
    channel = native.createDataChannel('', { negotiated: true, id: channelNumber })
    channel.onOpen(() => open.resolve())
    channel.onClosed(close)
    channel.onError(fail)
    channel.onMessage((message) => void events.emit('message', message))
  }

  return {
    async describe(signal) {
      if (channel === undefined) openChannel()
      const timer = setTimeout(() => gathered.resolve(), gatherMs)
      try {
        await orAborted(gathered.promise, signal)
      } finally {
        clearTimeout(timer)
      }
      const sdp = isEnded ? undefined : native.localDescription()?.sdp
      if (sdp === undefined) throw new Error('the connection has ended')
      return { description: checkDescription(sdp), candidates: candidatesIn(sdp) }
    },
    accept(type, description) {
      native.setRemoteDescription(checkDescription(description), type)
      if (channel === undefined) openChannel()
    },
    tryAt(candidate) {
      if (!isEnded) native.addRemoteCandidate(candidate.text, mid)
    },
    async opened(signal) {
      await orAborted(open.promise, signal)
      const remote = native.getSelectedCandidatePair()?.remote
      return remote === undefined ? undefined : { ip: remote.address, port: remote.port }
    },
    send(message) {
      if (channel === undefined || isEnded) throw new Error('the connection is not open')
      channel.sendMessageBinary(message)
    },
    onMessage: (listener) => void events.on('message', listener),
    close,
    onClosed: (listener) => void events.once('closed', listener),
    ended: end.promise,
  }
}
