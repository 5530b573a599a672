import type { Stream } from '@libp2p/interface'
import type { CircuitBounds, CircuitDirection } from '../../relay-bounds.ts'

/** Bytes of one direction that wait for the end that takes them; while there are as many, the other end is not read. */
const windowBytes = 262_144

/**
 * Has a relay read each end of a circuit only as fast as the other end takes it and the relay may carry it. libp2p's own relay reads as
 * fast as it is sent to and keeps everything that the other end has not taken (`pipe` in @libp2p/utils/src/stream-utils.ts). A paused stream
 * of yamux is sent no more; one of QUIC is, and is aborted when it holds as much as it may (`maxReadBufferLength`).
 *
 * To be called before libp2p joins the streams.
 */
export function holdBack(ends: { opener: Stream; target: Stream }, counted: CircuitBounds): void {
  holdBackOne(ends.opener, ends.target, 'there', counted)
  holdBackOne(ends.target, ends.opener, 'back', counted)
}

function holdBackOne(from: Stream, to: Stream, direction: CircuitDirection, counted: CircuitBounds): void {
  /** Bytes that were read and not yet written. */
  let held = 0
  let isPaused = false
  /** Nothing more comes. */
  let isAll = false
  let timer: NodeJS.Timeout | undefined
  let isDue = false

  function pause(): void {
    if (isPaused) return
    isPaused = true
    from.pause()
  }

  function resume(): void {
    if (!isPaused) return
    isPaused = false
    from.resume()
  }

  function look(): void {
    isDue = false
    if (isAll) return
    const waitMs = counted.waitMs()
    const isFull = held + to.writeBufferLength >= windowBytes
    if (isFull || waitMs > 0) pause()
    else resume()
    // Where it is full, the other end's taking has it looked at again.
    if (!isFull && waitMs > 0) timer ??= setTimeout(lookAgain, waitMs)
  }

  function lookAgain(): void {
    timer = undefined
    look()
  }

  /** A stream that is paused while it is resumed goes on sending windows, so that nothing is decided in the midst of its events. */
  function lookSoon(): void {
    if (isDue) return
    isDue = true
    queueMicrotask(look)
  }

  function end(): void {
    isAll = true
    clearTimeout(timer)
  }

  from.addEventListener('message', ({ data }) => {
    held += data.byteLength
    counted.carried(direction, data.byteLength)
    lookSoon()
  })
  // What a paused stream still holds is lost to those who hear of its end first.
  from.addEventListener('remoteCloseWrite', () => {
    end()
    resume()
  })
  from.addEventListener('close', end)
  const { send } = to
  to.send = (data) => {
    held = Math.max(0, held - data.byteLength)
    const takesMore = send.call(to, data)
    lookSoon()
    return takesMore
  }
  to.addEventListener('drain', lookSoon)
  to.addEventListener('idle', lookSoon)
}
