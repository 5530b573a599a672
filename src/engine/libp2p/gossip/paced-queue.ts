/**
 * A bounded queue that sends its items one by one, in order: each when the receiver has read the one before, and not sooner than `pauseMs` after
 * it. When a round trip takes longer than the pause, more than one is in flight: the round trip divided by the pause. A receiver that stops reading
 * stops the queue.
 */
export interface PacedQueue<Item> {
  /** False when there is no room. */
  add(item: Item, bytes: number): boolean
  /** Sends everything that can be sent now, without pauses. */
  hurry(): void
  /** What could not be sent can be now. */
  resume(): void
  /** Half of the room is free. */
  readonly hasRoom: boolean
  /** Forgets what waits; answers the first of it. */
  clear(): Item | undefined
  /** What is sent next. */
  readonly first: Item | undefined
  readonly size: number
}

/** Milliseconds before it is tried again to send what could not be, when nobody tells that it can be. */
const blockedMs = 1_000
/** How much of a longer round trip is believed to be the way, and no delay. */
const adapting = 0.01

export function createPacedQueue<Item>(
  init: { maxItems: number; maxBytes: number },
  components: {
    /** Milliseconds; asked for each item, since a receiver says late what it is. */
    pauseMs(): number
    /** False when it can't be sent now; then it is tried again when `resume` is called, or after a second. */
    send(item: Item): boolean
    /** Resolves when the receiver has read what was sent before. */
    untilRead(): Promise<void>
    /** Half of the room has become free, for the first time since something was refused. */
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
  /** Milliseconds until the receiver has read something, when nothing holds it up. */
  let roundTripMs = 0
  let timer: NodeJS.Timeout | undefined

  /** Whether one was sent. */
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

  /** One each time, however late the event loop is: what gathered meanwhile is what the pauses are there to keep apart. */
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
      // One alone may be larger than all the room.
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
