import { startChild } from './child.ts'

/** WebSocket clients in their own process, cheap enough that the server is the bottleneck. */
export interface Subscribers {
  /** Resolves when the process is ready, so that its start is not measured. */
  started(): Promise<void>
  /** Connects `count` more; resolves when each has received the greeting frames of the server. */
  connect(init: SubscribeCommand): Promise<void>
  /**
   * Resolves when each has received `frames` frames in all.
   * @throws Error when one received more, or different bytes, or was disconnected
   */
  receive(frames: number): Promise<{ lastBytes: number }>
  end(): Promise<void>
}

export interface SubscribeCommand {
  /** URL of the stream, as http://… */
  url: string
  count: number
  /** Number of frames with which the server greets a client. */
  greeting: number
}

/** Commands to the process; it answers each. */
export type SubscriberCommand = ({ type: 'connect' } & SubscribeCommand) | { type: 'receive'; frames: number }

export function startSubscribers(): Subscribers {
  const child = startChild('./subscriber-process.ts')
  const ready = child.next()
  return {
    async started() {
      await ready
    },
    async connect(init) {
      await ready
      await child.ask({ type: 'connect', ...init } satisfies SubscriberCommand)
    },
    receive: (frames) => child.ask({ type: 'receive', frames } satisfies SubscriberCommand),
    end: child.end,
  }
}
