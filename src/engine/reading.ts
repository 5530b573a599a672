import type { Inbound } from './engine.ts'

/**
 * How fast the gossip of peers is read: no faster than it is verified, and than whoever takes messages in has room for it. A peer that is
 * faster is held back by its link, whose window is the buffer, and loses nothing.
 */
export interface Reading {
  /** @param onChange is called when `isOpen` may have changed */
  link(peerId: string, onChange: () => void): LinkReading
}

export interface LinkReading {
  /** Counts bytes that are being verified; less than none no longer are. */
  hold(bytes: number): void
  /** Whether more is to be read. */
  readonly isOpen: boolean
}

export interface ReadingLimits {
  /** Bytes of a link that are being verified. */
  maxStreamBufferBytes: number
}

/** Bytes of all links that are being verified: a second of work. */
const maxVerifyingBytes = 8_388_608

/** What a message costs while it is verified, beside its bytes. */
export const verifyingBytes = 512

/**
 * Milliseconds for which a link waits for room at most. Then it is read as if there were some, until there is: control messages wait behind
 * what is not read, and what takes so long is no burst. What finds no room then is ignored.
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
