import type { Client, StreamLimits } from './client.ts'
import type { ClientFrame, FrameId } from './client-frames.ts'
import type { Commands } from './commands.ts'

/** A queue that carries out the frames of one client one after another, in order. */
export interface FrameTurns {
  /** Carries out and answers the frame in its turn, and then disposes of `held`. */
  enqueue(frame: ClientFrame, bytes?: number, held?: Disposable): void
  /** Whether `maxPendingFrames` or `maxPendingFrameBytes` is reached: the client runs ahead of its answers. */
  readonly isFull: boolean
  /** Resolves when no frame and no request of the client is pending. */
  idle(): Promise<void>
}

export interface FrameTurnsComponents {
  client: Client
  commands: Pick<Commands, 'take'>
  /** Whether the client's token was revoked. Then its queued frames are dropped. */
  isRevoked(): boolean
  answerError(error: unknown, id?: FrameId, subscription?: string): void
  /** A frame was queued or finished. */
  onChange(): void
}

export function createFrameTurns(
  init: { limits: Pick<StreamLimits, 'maxPendingFrames' | 'maxPendingFrameBytes'> },
  components: FrameTurnsComponents,
): FrameTurns {
  const { maxPendingFrames, maxPendingFrameBytes } = init.limits
  const { client, commands, isRevoked, answerError, onChange } = components
  let turn: Promise<void> | undefined
  let pending = 0
  let pendingBytes = 0
  let onIdle: (() => void) | undefined

  const isIdle = () => pending === 0 && client.openRequests === 0

  function checkIdle(): void {
    if (isIdle()) onIdle?.()
  }

  function settle(bytes: number, held: Disposable | undefined): void {
    held?.[Symbol.dispose]()
    pending--
    pendingBytes -= bytes
    onChange()
    checkIdle()
  }

  async function take(frame: ClientFrame, bytes: number, held: Disposable | undefined): Promise<void> {
    if (isRevoked()) {
      settle(bytes, held)
      return
    }
    try {
      const { rest, apart } = await commands.take(frame, client)
      // Work that goes on apart no longer counts as a pending frame, but its bytes are held to the end.
      apart
        ?.catch((error: unknown) => answerError(error, frame.id))
        .finally(() => {
          held?.[Symbol.dispose]()
          checkIdle()
        })
      if (apart !== undefined) settle(bytes, undefined)
      else if (rest === undefined) settle(bytes, held)
      else rest.catch((error: unknown) => answerError(error, frame.id)).finally(() => settle(bytes, held))
    } catch (error) {
      answerError(error, frame.id, 'subscription' in frame ? frame.subscription : undefined)
      settle(bytes, held)
    }
  }

  return {
    enqueue(frame, bytes = 0, held) {
      pending++
      pendingBytes += bytes
      const next = () => take(frame, bytes, held)
      const taken = turn === undefined ? next() : turn.then(next)
      turn = taken
      void taken.then(() => {
        if (turn === taken) turn = undefined
      })
      onChange()
    },
    get isFull() {
      return pending >= maxPendingFrames || pendingBytes >= maxPendingFrameBytes
    },
    async idle() {
      if (isIdle()) return
      await new Promise<void>((resolve) => {
        onIdle = resolve
      })
    },
  }
}
