import { randomBytes } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { createSingleFlight } from '../../../lib/single-flight.ts'
import { pingBytes } from '../ping.ts'

/**
 * Requests echoes from a peer over one ping stream at a time. When an echo arrives, the peer has read what was sent
 * before the request.
 */
export interface Echo {
  /** Resolves when the echo arrives, and after a second at most. Never rejects. */
  ask(): Promise<void>
  close(): void
}

/** A ping stream and the pending requests on it, in order. */
interface Asking {
  stream: Stream
  openedAt: number
  asked: Array<() => void>
}

/**
 * Milliseconds until a ping stream is replaced: js-libp2p ends one ten seconds after it was opened, go-libp2p ten
 * seconds after its last ping.
 */
const streamMs = 5_000
const patienceMs = 1_000
/** Milliseconds before a peer that refused a stream is asked again. */
const refusedMs = 10_000

/** @param components.open opens a ping stream to the peer */
export function createEcho({ open }: { open(): Promise<Stream> }): Echo {
  let current: Asking | undefined
  let refusedAt = Number.NEGATIVE_INFINITY

  /**
   * Closes an old stream, on which pending requests are still answered. It is aborted if the peer does not close its
   * end.
   */
  function end(old: Stream): void {
    old.close().catch((error: Error) => old.abort(error))
    setTimeout(() => old.abort(new Error('the peer did not close its end')), patienceMs).unref()
  }

  async function renew(): Promise<void> {
    const old = current?.stream
    current = undefined
    if (old !== undefined) end(old)
    try {
      current = watch(await open())
    } catch {
      refusedAt = performance.now()
    }
  }

  const renewal = createSingleFlight(renew)

  function watch(stream: Stream): Asking {
    const asking: Asking = { stream, openedAt: performance.now(), asked: [] }
    let received = 0
    stream.addEventListener('message', ({ data }) => {
      received += data.byteLength
      for (; received >= pingBytes; received -= pingBytes) asking.asked.shift()?.()
    })
    stream.addEventListener('close', () => {
      if (current === asking) current = undefined
      giveUp(asking)
    })
    return asking
  }

  function giveUp({ asked }: Asking): void {
    for (const answer of asked.splice(0)) answer()
  }

  async function ask(): Promise<void> {
    if (performance.now() - refusedAt < refusedMs) return
    if (current === undefined || performance.now() - current.openedAt > streamMs) {
      await renewal.run()
    }
    if (current === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, patienceMs)
    current.asked.push(resolve)
    try {
      current.stream.send(randomBytes(pingBytes))
    } catch {
      giveUp(current)
    }
    await promise
    clearTimeout(timer)
  }

  return {
    ask,
    close: () => current?.stream.abort(new Error('the echo stream is no longer needed')),
  }
}
