import { type Stream, StreamMessageEvent } from '@libp2p/interface'

/**
 * Gives what arrives on a stream to a function in place of the stream's reader, which gets what the returned function is
 * called with. Must be called before the stream has a reader. An error of `receive` aborts the stream.
 */
export function interceptMessages(stream: Stream, receive: (bytes: Uint8Array) => void): (bytes: Uint8Array) => void {
  const { dispatchEvent } = stream
  stream.dispatchEvent = (event: Event) => {
    if (!(event instanceof StreamMessageEvent)) return dispatchEvent.call(stream, event)
    if (stream.status !== 'open') return true
    try {
      receive(event.data.subarray())
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
    return true
  }
  return (bytes) => void dispatchEvent.call(stream, new StreamMessageEvent(bytes))
}
