import { BoundedMap } from '../../../lib/bounded-map.ts'
import { firstDrawn } from '../../../model/signed-message.ts'
import type { OverlayLimits } from './limits.ts'

/**
 * The messages that this node has seen. Each id is kept for `seenMs`. When it expires or makes room, its sequence
 * number becomes the floor of its author and topic, and ids up to the floor count as seen. Floors are kept for the last
 * `maxSeenAuthors` authors; beyond them the log's own record of ids decides.
 *
 * A bridge also brings authors whose numbers do not rise: js-libp2p draws 64 random bits for each message. Three of
 * four such numbers are beyond every time and count, and end the floor of their author. Before the first of them, a
 * floor hides one of 4,000 (`floorReach`).
 *
 * Add verified messages only: a forged id would shut out the true message, or raise the floor.
 */
export interface Seen {
  has(topic: string, id: string): boolean
  add(topic: string, id: string): void
  /** Expires what is older than `seenMs`. */
  sweep(): void
  /** Ids and floors that are kept. */
  readonly size: number
}

/** How far below itself a floor reaches: 52 days, where numbers are nanoseconds. The log knows what is older. */
const floorReach = 2n ** 52n
const firstDrawnText = String(firstDrawn)

/** What is known of the numbers of an author in a topic. */
interface Floor {
  sequence: string
  isDrawn: boolean
}

export function createSeen(init: { limits: OverlayLimits }, components: { now(): number }): Seen {
  const { limits } = init
  const { now } = components
  /** In order of arrival. */
  const recent = new Map<string, { topic: string; at: number }>()
  const floors = new BoundedMap<string, Floor>({ max: limits.maxSeenAuthors })

  function expire(id: string, topic: string): void {
    recent.delete(id)
    const { author, sequence } = parts(id)
    const key = floorKey(topic, author)
    const before = floors.get(key) ?? { sequence, isDrawn: false }
    const highest = isBelow(sequence, before.sequence) ? before.sequence : sequence
    floors.set(key, { sequence: highest, isDrawn: before.isDrawn || isDrawn(sequence) })
  }

  function expireOldest(isDue: (at: number) => boolean): void {
    for (const [id, { topic, at }] of recent) {
      if (!isDue(at)) return
      expire(id, topic)
    }
  }

  return {
    has(topic, id) {
      if (recent.has(id)) return true
      const { author, sequence } = parts(id)
      const floor = floors.get(floorKey(topic, author))
      if (floor === undefined || floor.isDrawn || isBelow(floor.sequence, sequence)) return false
      return BigInt(floor.sequence) - BigInt(sequence) < floorReach
    },
    add(topic, id) {
      recent.set(id, { topic, at: now() })
      // An eighth at a time, since finding the oldest entry of a map costs as much as the removals before it.
      if (recent.size > limits.maxSeen) expireOldest(() => recent.size > limits.maxSeen * (7 / 8))
    },
    sweep() {
      const until = now() - limits.seenMs
      expireOldest((at) => at < until)
    },
    get size() {
      return recent.size + floors.size
    },
  }
}

/** An id is the author, a dot, and the sequence number in decimal without leading zeros. */
function parts(id: string): { author: string; sequence: string } {
  const dot = id.lastIndexOf('.')
  return { author: id.slice(0, dot), sequence: id.slice(dot + 1) }
}

/** Whether a number is too high for a time or a count. */
function isDrawn(sequence: string): boolean {
  return !isBelow(sequence, firstDrawnText)
}

/** Compares decimal numbers of any length. */
function isBelow(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length
}

/** No topic has a control character (model/topic.ts), so no two pairs share a key. */
function floorKey(topic: string, author: string): string {
  return `${author}\0${topic}`
}
