import { startChild } from '../child.ts'

/** Subscribers of any program, in their own process, cheap enough that the program is measured and not they. */
export interface Crowd {
  /** Resolves when `count` more are subscribed. */
  join(init: Joining): Promise<void>
  /** Resolves when the messages of all of them are so many. */
  receive(messages: number): Promise<void>
  end(): Promise<void>
}

export interface Joining {
  port: number
  count: number
  steps: Step[]
}

/** A part of a subscription: bytes for the server, and those of its answer after which the next step may follow. */
export interface Step {
  send: Uint8Array | string
  until: Uint8Array | string
}

/** Commands to the process, with bytes in latin1; it answers each. */
export type CrowdCommand =
  | { type: 'join'; port: number; count: number; steps: Array<{ send: string; until: string }> }
  | { type: 'receive'; messages: number }

export function startCrowd(): Crowd {
  const child = startChild('./peers/crowd-process.ts')
  const text = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('latin1')
  return {
    async join({ port, count, steps }) {
      const sent = steps.map(({ send, until }) => ({ send: text(send), until: text(until) }))
      await child.ask({ type: 'join', port, count, steps: sent } satisfies CrowdCommand)
    },
    async receive(messages) {
      await child.ask({ type: 'receive', messages } satisfies CrowdCommand)
    },
    end: child.end,
  }
}
