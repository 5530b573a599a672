import type { Stream } from '@libp2p/interface'

const events = ['drain', 'idle', 'close'] as const

/** Calls back once half of what the stream holds now has been written, or the stream is closed. */
export function onceHalfDrained(stream: Stream, done: () => void): void {
  const enough = stream.writeBufferLength / 2
  // The stream continues to write after its drain listeners have run.
  const look = () => queueMicrotask(check)
  function check(): void {
    if (stream.status === 'open' && stream.writeBufferLength > enough) return
    for (const event of events) stream.removeEventListener(event, look)
    done()
  }
  for (const event of events) stream.addEventListener(event, look)
}
