import type { Connection } from './connection.ts'
import { clientError, type PeergateError } from './errors.ts'
import type { ClientFrame, ServerFrame } from './frames.ts'

/** Something that the gateway asks this client to do, on each connection anew. */
export interface Registration {
  /** Tells the gateway that there are to be no further questions. */
  stop(): void
  /** Resolves after `stop()`, the signal or `close()`; rejects when the gateway refuses it on a later connection. */
  readonly ended: Promise<void>
}

export interface RegistrationInit {
  readonly start: ClientFrame
  readonly stop: ClientFrame
  readonly signal: AbortSignal | undefined
  frame(frame: ServerFrame): void
  /** The error with which a frame ends the registration. */
  failure?(frame: ServerFrame): PeergateError | undefined
  /** What is in progress is of no use any more. */
  lost(): void
}

/** Resolves when the gateway has accepted it for the first time. */
export async function register(connection: Connection, init: RegistrationInit): Promise<Registration> {
  init.signal?.throwIfAborted()
  const accepted = settleable()
  const ended = settleable()
  // Whoever waits for neither shall not end the program.
  ended.promise.catch(() => {})
  let isEnded = false
  let leave = () => {}
  let giveUpStart = () => {}

  function end(error?: unknown): void {
    if (isEnded) return
    isEnded = true
    leave()
    // Else it could be repeated after the end.
    giveUpStart()
    init.lost()
    init.signal?.removeEventListener('abort', stop)
    if (error === undefined) ended.resolve()
    else ended.reject(error)
    accepted.reject(error ?? init.signal?.reason ?? clientError('closed'))
  }

  function stop(): void {
    if (!isEnded) connection.call({ frame: init.stop, repeat: true, resend: false, counts: false, answered: () => {}, refused: () => {} })
    end()
  }

  init.signal?.addEventListener('abort', stop, { once: true })
  leave = connection.join({
    connected: () => {
      giveUpStart = connection.call({
        frame: init.start,
        repeat: true,
        resend: false,
        counts: false,
        answered: () => accepted.resolve(),
        // Without a connection the next one asks again.
        refused: (error) => (codeOf(error) === 'connection_lost' ? undefined : end(error)),
      })
    },
    lost: init.lost,
    frame(frame) {
      init.frame(frame)
      const failure = init.failure?.(frame)
      if (failure !== undefined) end(failure)
    },
    ended: (error: PeergateError) => end(error.code === 'closed' ? undefined : error),
  })
  await accepted.promise
  return { stop, ended: ended.promise }
}

/** `Promise.withResolvers`, which Node.js 20 does not have. */
function settleable() {
  let resolve = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<void>((...settle) => {
    ;[resolve, reject] = settle
  })
  return { promise, resolve, reject }
}

function codeOf(error: unknown): unknown {
  return Object(error)['code']
}
