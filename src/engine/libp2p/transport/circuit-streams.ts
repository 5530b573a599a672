import type { Stream } from '@libp2p/interface'
import type { PassingWay } from '../../passed-on.ts'
import type { CircuitBounds, CircuitDirection } from '../../relay-bounds.ts'
import { unitsOfData } from './muxer-frames.ts'

/** Maximum queued bytes of one direction; at the maximum, the sending end is not read. */
const windowBytes = 262_144
/** Milliseconds for which an end that sends too many small pieces is not read. What comes meanwhile is one piece. */
const gatherMs = 50

/**
 * Makes a relay read each end of a circuit only at the pace of the other end and of the relay's rate. libp2p's own
 * relay reads without limit and keeps everything that the other end has not taken (`pipe` in
 * @libp2p/utils/src/stream-utils.ts). The peer of a paused yamux stream stops sending. A paused QUIC stream still
 * receives, and is aborted when its buffer is full (`maxReadBufferLength`).
 *
 * Must be called before libp2p joins the streams.
 */
export function holdBack(
  ends: { opener: Stream; target: Stream },
  counted: CircuitBounds,
  ways: Record<CircuitDirection, PassingWay>,
): void {
  holdBackOne(ends.opener, ends.target, 'there', counted, ways.there)
  holdBackOne(ends.target, ends.opener, 'back', counted, ways.back)
}

function holdBackOne(from: Stream, to: Stream, direction: CircuitDirection, counted: CircuitBounds, way: PassingWay): void {
  /** Bytes that were read and not yet written. */
  let held = 0
  let isPaused = false
  /** A stream that is paused while it is resuming continues to send windows. */
  let isResuming = false
  /** The sending end has finished. */
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
    isResuming = true
    from.resume()
    isResuming = false
  }

  function look(): void {
    isDue = false
    if (isAll) return
    const waitMs = Math.max(counted.waitMs(), way.isFast ? gatherMs : 0)
    const isFull = held + to.writeBufferLength >= windowBytes
    if (isFull || waitMs > 0) pause()
    else resume()
    // When it is full, the drain of the other end triggers the next check.
    if (!isFull && waitMs > 0) timer ??= setTimeout(lookAgain, waitMs)
  }

  function lookAgain(): void {
    timer = undefined
    look()
  }

  /** Defers the check, since the stream may be resuming. */
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
    const units = unitsOfData(data.byteLength)
    if (units > 0) way.pass(units)
    // A packet may have thousands of them.
    if (units > 0 && !isResuming && way.isFast) pause()
    lookSoon()
  })
  // A paused stream would lose its buffer to listeners that hear of its end first.
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
