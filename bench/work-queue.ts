/** Messages that workers share, at the gateway or at a program beside it. */
export interface WorkQueue {
  readonly label: string
  /** How long a message of a worker that is gone is kept for it. */
  readonly redelivery: string
  readonly redeliveries: number
  /** Adds messages. */
  publish(count: number): Promise<void>
  /** Resolves when so many workers have been delivered all of so many messages, and each acknowledgement is answered. */
  settle(workers: number, messages: number): Promise<void>
  /** Milliseconds from the end of a worker's connection until another one, which waits, has its message. */
  redeliver(): Promise<number>
}

/** Unacknowledged messages of a worker. */
export const maxUnacked = 100
export const payload = 'x'.repeat(256)
