/**
 * A bounded queue that sends its items one by one, in order: each after the receiver has read the previous one, and at
 * least `pauseMs` after it. When a round trip takes longer than the pause, several items are in flight: the round trip
 * divided by the pause. A receiver that stops reading stops the queue.
 */
export interface PacedQueue<Item> {
  /** Adds an item. Returns false when there is no room. */
  add(item: Item, bytes: number): boolean
  /** Sends everything that can be sent now, without pauses. */
  hurry(): void
  /** Retries a blocked send. */
  resume(): void
  /** Whether half of the room is free. */
  readonly hasRoom: boolean
  /** Empties the queue. Returns its first item. */
  clear(): Item | undefined
  /** The next item. */
  readonly first: Item | undefined
  readonly size: number
}

/** Milliseconds before a blocked send is retried without a call of `resume`. */
const blockedMs = 1_000
/** Weight of a longer round trip in the estimate; the rest is taken for a delay. */
const adapting = 0.01

export function createPacedQueue<Item>(
  init: { maxItems: number; maxBytes: number },
  components: {
    /** The pause in milliseconds; read for each item, since a receiver may tell its agent late. */
    pauseMs(): number
    /** Returns false when the item cannot be sent now; it is retried on `resume`, or after a second. */
    send(item: Item): boolean
    /** Resolves when the receiver has read everything sent before. */
    untilRead(): Promise<void>
    /** Half of the room has become free, for the first time since an item was refused. */
    onRoom(): void
  },
): PacedQueue<Item> {
  const { maxItems, maxBytes } = init
  const { pauseMs, send, untilRead, onRoom } = components
  const waiting: Array<{ item: Item; bytes: number }> = []
  let bytes = 0
  let hasRefused = false
  let dueAt = 0
  let isBlocked = false
  let unread = 0
  /** Estimated milliseconds until an unhindered receiver has read an item. */
  let roundTripMs = 0
  let timer: NodeJS.Timeout | undefined

  /** Sends the first item. Returns whether it was sent. */
  function sendFirst(): boolean {
    const [first] = waiting
    if (first === undefined || !send(first.item)) return false
    waiting.shift()
    bytes -= first.bytes
    return true
  }

  function hasRoom(): boolean {
    return waiting.length <= maxItems / 2 && bytes <= maxBytes / 2
  }

  function tellRoom(): void {
    if (!hasRefused || !hasRoom()) return
    hasRefused = false
    onRoom()
  }

  /** Sends one item, however late the event loop is: sending the backlog at once would defeat the pauses. */
  function step(): void {
    timer = undefined
    const isSent = sendFirst()
    if (isSent) void awaitRead()
    isBlocked = !isSent
    dueAt = performance.now() + (isSent ? pauseMs() : blockedMs)
    schedule()
    tellRoom()
  }

  async function awaitRead(): Promise<void> {
    const sentAt = performance.now()
    unread++
    await untilRead()
    unread--
    const took = performance.now() - sentAt
    roundTripMs = took < roundTripMs ? took : roundTripMs + (took - roundTripMs) * adapting
    dueAt = Math.max(dueAt, performance.now() + pauseMs() / 2)
    schedule()
  }

  function schedule(): void {
    if (timer !== undefined || waiting.length === 0 || unread > roundTripMs / pauseMs()) return
    const waitMs = dueAt - performance.now()
    if (waitMs <= 0) step()
    else timer = setTimeout(step, waitMs)
  }

  return {
    add(item, size) {
      // A single item may exceed the room.
      if (waiting.length >= maxItems || (waiting.length > 0 && bytes + size > maxBytes)) {
        hasRefused = true
        return false
      }
      waiting.push({ item, bytes: size })
      bytes += size
      schedule()
      return true
    },
    hurry() {
      while (sendFirst());
      tellRoom()
    },
    resume() {
      if (!isBlocked) return
      isBlocked = false
      clearTimeout(timer)
      timer = undefined
      dueAt = performance.now()
      schedule()
    },
    get hasRoom() {
      return hasRoom()
    },
    clear() {
      clearTimeout(timer)
      timer = undefined
      const [first] = waiting.splice(0)
      bytes = 0
      hasRefused = false
      isBlocked = false
      dueAt = Math.min(dueAt, performance.now() + pauseMs())
      return first?.item
    },
    get first() {
      return waiting[0]?.item
    },
    get size() {
      return waiting.length
    },
  }
}
