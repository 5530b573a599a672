import { randomBytes } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { pingBytes } from './ping.ts'

/** Asks a peer for echoes, one after another on one stream of ping: what was sent to the peer before, it has read by then. */
export interface Echo {
  /** Resolves when the echo has come; or at once, or after a second, when none comes. Never rejects. */
  ask(): Promise<void>
  close(): void
}

/** js-libp2p ends a stream of ping ten seconds after it was opened, go-libp2p ten seconds after the last one. In milliseconds. */
const streamMs = 5_000
const patienceMs = 1_000
/** Milliseconds before a peer is asked again that would not answer. */
const refusedMs = 10_000

/** @param components.open opens a stream of ping to the peer */
export function createEcho({ open }: { open(): Promise<Stream> }): Echo {
  const asked: Array<() => void> = []
  let stream: Stream | undefined
  let openedAt = 0
  let opening: Promise<void> | undefined
  let refusedAt = Number.NEGATIVE_INFINITY
  let received = 0

  async function renew(): Promise<void> {
    const old = stream
    stream = undefined
    // What was asked on it is answered still.
    old?.close().catch((error: Error) => old.abort(error))
    try {
      const opened = await open()
      opened.addEventListener('message', ({ data }) => {
        received += data.byteLength
        for (; received >= pingBytes; received -= pingBytes) asked.shift()?.()
      })
      opened.addEventListener('close', () => {
        if (stream === opened) stream = undefined
        giveUp()
      })
      stream = opened
      openedAt = performance.now()
      received = 0
    } catch {
      refusedAt = performance.now()
    }
  }

  function giveUp(): void {
    for (const answer of asked.splice(0)) answer()
  }

  async function ask(): Promise<void> {
    if (performance.now() - refusedAt < refusedMs) return
    if (stream === undefined || performance.now() - openedAt > streamMs) {
      opening ??= renew().finally(() => {
        opening = undefined
      })
      await opening
    }
    if (stream === undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, patienceMs)
    asked.push(resolve)
    try {
      stream.send(randomBytes(pingBytes))
    } catch {
      giveUp()
    }
    await promise
    clearTimeout(timer)
  }

  return {
    ask,
    close() {
      stream?.abort(new Error('nobody asks any more'))
      giveUp()
    },
  }
}
