import type { Limits } from '../limits.ts'
import type { Inbound } from './engine.ts'
import type { InboundBudget, InboundMessage } from './inbound-budget.ts'

/**
 * Paces the reading of peers' gossip to the speed of verification and to the receiver's room. The link's flow-control
 * window is the buffer: a fast sender is slowed down and loses nothing.
 */
export interface Reading {
  /** @param onChange is called when `isOpen` may have changed */
  link(peerId: string, onChange: () => void): LinkReading
}

export interface LinkReading {
  /**
   * Counts a message that was read on the link. It counts to the link until it is verified. Undefined when there is no
   * room for it.
   */
  enter(dataBytes: number): InboundMessage | undefined
  /** Whether the link may be read. */
  readonly isOpen: boolean
}

export type ReadingLimits = Pick<Limits, 'maxStreamBufferBytes'>

/**
 * Maximum time that a link waits for room, in milliseconds. After that the link is read regardless until there is room
 * again: control messages wait behind unread data, and such a long wait is no burst. Messages that then find no room
 * are ignored.
 */
const maxPauseMs = 5_000

export function createReading(
  { limits }: { limits: ReadingLimits },
  { budget, inbound }: { budget: InboundBudget; inbound: () => Inbound | undefined },
): Reading {
  /** Links that wait until less is being verified. */
  const waiting = new Set<() => void>()

  function wake(): void {
    const all = [...waiting]
    waiting.clear()
    for (const onChange of all) onChange()
  }

  return {
    link(peerId, onChange) {
      let held = 0
      let giveUp: NodeJS.Timeout | undefined
      let hasGivenUp = false
      let isAwaited = false

      function hasRoom(): boolean {
        const room = inbound()?.room?.(peerId)
        if (room === undefined) {
          clearTimeout(giveUp)
          giveUp = undefined
          hasGivenUp = false
          return true
        }
        if (hasGivenUp) return true
        giveUp ??= setTimeout(() => {
          hasGivenUp = true
          onChange()
        }, maxPauseMs)
        giveUp.unref()
        if (!isAwaited) void room.finally(onRoom)
        isAwaited = true
        return false
      }

      function onRoom(): void {
        isAwaited = false
        onChange()
      }

      function onVerified(bytes: number): void {
        held -= bytes
        if (budget.canVerify) wake()
      }

      return {
        enter(dataBytes) {
          const message = budget.enter(dataBytes, onVerified)
          held += message?.bytes ?? 0
          return message
        },
        get isOpen() {
          if (held <= limits.maxStreamBufferBytes && budget.canVerify) return hasRoom()
          waiting.add(onChange)
          return false
        },
      }
    },
  }
}
