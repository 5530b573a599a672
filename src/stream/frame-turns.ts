import type { Client, StreamLimits } from './client.ts'
import type { ClientFrame, FrameId } from './client-frames.ts'
import type { Commands, FrameWork } from './commands.ts'

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

interface Queued {
  frame: ClientFrame
  bytes: number
  held: Disposable | undefined
}

export function createFrameTurns(
  init: { limits: Pick<StreamLimits, 'maxPendingFrames' | 'maxPendingFrameBytes'> },
  components: FrameTurnsComponents,
): FrameTurns {
  const { maxPendingFrames, maxPendingFrameBytes } = init.limits
  const { client, commands, isRevoked, answerError, onChange } = components
  const queue: Queued[] = []
  /** Whether a frame holds up the next ones. */
  let isTaking = false
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

  function refuse({ frame, bytes, held }: Queued, error: unknown): void {
    answerError(error, frame.id, 'subscription' in frame ? frame.subscription : undefined)
    settle(bytes, held)
  }

  /** The next frame may be taken. */
  function finish({ frame, bytes, held }: Queued, { rest, apart }: FrameWork): void {
    const fail = (error: unknown) => answerError(error, frame.id)
    if (apart !== undefined) {
      // Work that goes on apart no longer counts as a pending frame, but its bytes are held to the end.
      void apart.catch(fail).finally(() => {
        held?.[Symbol.dispose]()
        checkIdle()
      })
      settle(bytes, undefined)
    } else if (rest === undefined) settle(bytes, held)
    else {
      const end = () => settle(bytes, held)
      rest.then(end, (error: unknown) => {
        fail(error)
        end()
      })
    }
  }

  async function wait(queued: Queued, taken: Promise<FrameWork>): Promise<void> {
    try {
      finish(queued, await taken)
    } catch (error) {
      refuse(queued, error)
    }
    isTaking = false
    takeQueued()
  }

  function takeQueued(): void {
    for (let next = isTaking ? undefined : queue.shift(); next !== undefined; next = isTaking ? undefined : queue.shift()) {
      if (isRevoked()) {
        settle(next.bytes, next.held)
        continue
      }
      try {
        const taken = commands.take(next.frame, client)
        isTaking = taken instanceof Promise
        if (taken instanceof Promise) void wait(next, taken)
        else finish(next, taken)
      } catch (error) {
        refuse(next, error)
      }
    }
  }

  return {
    enqueue(frame, bytes = 0, held) {
      pending++
      pendingBytes += bytes
      queue.push({ frame, bytes, held })
      takeQueued()
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
