import type { Inbound } from './engine.ts'

/**
 * Paces the reading of peers' gossip to the speed of verification and to the receiver's room. The link's flow-control
 * window is the buffer: a fast sender is slowed down and loses nothing.
 */
export interface Reading {
  /** @param onChange is called when `isOpen` may have changed */
  link(peerId: string, onChange: () => void): LinkReading
}

export interface LinkReading {
  /** Adds to the bytes that are being verified; a negative number removes them. */
  hold(bytes: number): void
  /** Whether the link may be read. */
  readonly isOpen: boolean
}

export interface ReadingLimits {
  /** Maximum bytes of one link that are being verified. */
  maxStreamBufferBytes: number
}

/** Maximum bytes of all links that are being verified: about a second of work. */
const maxVerifyingBytes = 8_388_608

/** Cost of a message during verification in addition to its bytes. */
export const verifyingBytes = 512

/**
 * Maximum time that a link waits for room, in milliseconds. After that the link is read regardless until there is room
 * again: control messages wait behind unread data, and such a long wait is no burst. Messages that then find no room
 * are ignored.
 */
const maxPauseMs = 5_000

export function createReading({ limits }: { limits: ReadingLimits }, { inbound }: { inbound: () => Inbound | undefined }): Reading {
  const waiting = new Set<() => void>()
  let verifying = 0

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

      return {
        hold(bytes) {
          held += bytes
          verifying += bytes
          if (bytes < 0 && verifying <= maxVerifyingBytes) wake()
        },
        get isOpen() {
          if (held <= limits.maxStreamBufferBytes && verifying <= maxVerifyingBytes) return hasRoom()
          waiting.add(onChange)
          return false
        },
      }
    },
  }
}
