import type { Client, StreamLimits } from './client.ts'
import type { ClientFrame, FrameId } from './client-frames.ts'
import type { Commands } from './commands.ts'

/** The frames of one client, which are taken one after another, in their order. */
export interface FrameTurns {
  /** Has the frame done and answered in its turn; what `held` holds for it is given back when that is over. */
  enqueue(frame: ClientFrame, bytes?: number, held?: Disposable): void
  /** Whether the client runs ahead of its answers: `maxPendingFrames` or `maxPendingFrameBytes` are under way. */
  readonly isFull: boolean
  /** Resolves when no frame and no request of the client is under way. */
  idle(): Promise<void>
}

export interface FrameTurnsComponents {
  client: Client
  commands: Pick<Commands, 'take'>
  /** Nothing more is done for the client, not even what it has asked already. */
  isRevoked(): boolean
  answerError(error: unknown, id?: FrameId, subscription?: string): void
  /** A frame has come, or was dealt with. */
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
      // What goes on apart no longer counts as a frame under way, but its bytes are held to the end.
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
