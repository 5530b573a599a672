import { randomBytes } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { pingBytes } from '../ping.ts'

/** Asks a peer for echoes, one after another on one stream of ping: what was sent to the peer before, it has read by then. */
export interface Echo {
  /** Resolves when the echo has come; or at once, or after a second, when none comes. Never rejects. */
  ask(): Promise<void>
  close(): void
}

/** A stream of ping, and who waits for an echo on it, in order. */
interface Asking {
  stream: Stream
  openedAt: number
  asked: Array<() => void>
}

/** js-libp2p ends a stream of ping ten seconds after it was opened, go-libp2p ten seconds after the last one. In milliseconds. */
const streamMs = 5_000
const patienceMs = 1_000
/** Milliseconds before a peer is asked again that would not answer. */
const refusedMs = 10_000

/** @param components.open opens a stream of ping to the peer */
export function createEcho({ open }: { open(): Promise<Stream> }): Echo {
  let current: Asking | undefined
  let opening: Promise<void> | undefined
  let refusedAt = Number.NEGATIVE_INFINITY

  /** What was asked on it is answered still. A peer that does not close its end keeps no stream by that. */
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
      opening ??= renew().finally(() => {
        opening = undefined
      })
      await opening
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
