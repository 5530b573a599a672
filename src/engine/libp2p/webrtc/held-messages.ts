import { type Stream, StreamBufferError } from '@libp2p/interface'
import { createQueue } from '../../../lib/queue.ts'

/** What is used of the data channel of a stream. */
export interface Channel {
  onmessage: ((event: ChannelMessage) => void) | null
  onclose?: ((event: unknown) => void) | null
}

export interface ChannelMessage {
  data: unknown
}

/** Memory for messages that wait. */
export interface HeldRoom {
  /** Undefined when the bytes find no room. */
  take(bytes: number): Disposable | undefined
}

/** A call from a stream to its transport. */
interface Resuming {
  sendResume?(): void
}

/** Memory of a message beside its data, in bytes: buffer, event, and its place in the queue. */
const messageOverheadBytes = 512

/** Bytes that are handed on in a turn of the event loop. The reader may pause the stream again after it. */
const turnBytes = 65_536

/**
 * Keeps the messages of a channel while its stream is paused, since nothing holds the peer back: libdatachannel fills
 * the receive window of SCTP only while no listener takes messages, node-datachannel cannot take its listener away, and
 * libp2p leaves `sendPause` empty (@libp2p/webrtc/src/stream.ts). By themselves paused streams abort once their buffer is
 * full. Here they do so when there is no room. The end of the channel is told after the messages before it.
 */
export function holdMessages(stream: Stream & Resuming, channel: Channel, { room, onFull }: { room: HeldRoom; onFull: () => void }): void {
  const { onmessage, onclose } = channel
  const waiting = createQueue<{ event: ChannelMessage; place: Disposable }>()
  let isHandingOn = false
  let end: { event: unknown } | undefined
  let isOver = false

  function handOnSoon(): void {
    if (isHandingOn) return
    isHandingOn = true
    // The stream reads a message some microtasks after it was given it.
    setImmediate(handOn)
  }

  function handOn(): void {
    isHandingOn = false
    if (isOver || stream.readStatus === 'paused') return
    if (waiting.size === 0) {
      if (end !== undefined) onclose?.call(channel, end.event)
      return
    }
    for (let bytes = 0; bytes < turnBytes; ) {
      const held = waiting.shift()
      if (held === undefined) break
      bytes += sizeOf(held.event)
      held.place[Symbol.dispose]()
      onmessage?.call(channel, held.event)
    }
    handOnSoon()
  }

  function hold(event: ChannelMessage): void {
    const place = room.take(sizeOf(event) + messageOverheadBytes)
    if (place !== undefined) {
      waiting.push({ event, place })
      return
    }
    onFull()
    stream.abort(new StreamBufferError('there is no room for what the peer sends and nobody reads'))
  }

  channel.onmessage = (event) => {
    if (isOver || (waiting.size === 0 && !isHandingOn && stream.readStatus !== 'paused')) onmessage?.call(channel, event)
    else hold(event)
  }
  channel.onclose = (event) => {
    if (isOver || (waiting.size === 0 && !isHandingOn)) onclose?.call(channel, event)
    else end = { event }
  }
  stream.sendResume = () => {
    if (waiting.size > 0 || end !== undefined) handOnSoon()
  }
  stream.addEventListener('close', () => {
    isOver = true
    for (let held = waiting.shift(); held !== undefined; held = waiting.shift()) held.place[Symbol.dispose]()
  })
}

function sizeOf({ data }: ChannelMessage): number {
  return data instanceof ArrayBuffer ? data.byteLength : 0
}
