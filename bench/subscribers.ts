import { startChild } from './child.ts'

/** WebSocket clients in a process of their own, cheap enough that the server is what is measured. */
export interface Subscribers {
  /** Resolves when the process is ready, so that its start is not measured. */
  started(): Promise<void>
  /** Connects so many more; resolves when each has received the frames that the server greets with. */
  connect(init: SubscribeCommand): Promise<void>
  /**
   * Resolves when each has received so many frames in all.
   * @throws Error when one got more, or other bytes than the rest, or was disconnected
   */
  receive(frames: number): Promise<{ lastBytes: number }>
  end(): Promise<void>
}

export interface SubscribeCommand {
  /** Of the stream, as http://… */
  url: string
  count: number
  /** Frames that the server sends by itself. */
  greeting: number
}

/** What the process is told; it answers each. */
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
