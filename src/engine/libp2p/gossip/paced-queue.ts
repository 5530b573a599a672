/**
 * A bounded queue that sends its items one by one, in order: each after the receiver has read the previous one, and
 * after the pause that follows that one. When a round trip takes longer than the pause, several items are in flight: the
 * round trip divided by the pause. A receiver that stops reading stops the queue. An item that is taken alone is followed
 * by nothing until it was read, however long that takes.
 */
export interface PacedQueue<Item> {
  /** Adds an item. Returns false when there is no room. */
  add(item: Item, bytes: number): boolean
  /** Sends what can be sent now, without pauses, up to the first item that is taken alone. */
  hurry(): void
  /** Retries a blocked send. */
  resume(): void
  /** Whether half of the room is free. */
  readonly hasRoom: boolean
  /** Empties the queue. Returns its first item. */
  clear(): Item | undefined
  /** The next item. */
  readonly first: Item | undefined
  /** Whether nothing waits, and the pause after the latest item is over. */
  readonly isIdle: boolean
  /** Whether anything may follow what was sent: no item that is taken alone is unread. */
  readonly mayFollow: boolean
}

/** Milliseconds before a blocked send is retried without a call of `resume`. */
const blockedMs = 1_000
/** Weight of a longer round trip in the estimate; the rest is taken for a delay. */
const adapting = 0.01

export function createPacedQueue<Item>(
  init: { maxItems: number; maxBytes: number },
  components: {
    /** The pause after an item, in milliseconds; read for each, since a receiver may tell its agent late. */
    pauseMs(item: Item): number
    /** Whether the receiver takes the item only if nothing follows until it was read, and its pause is over. */
    isAlone(item: Item): boolean
    /** Returns false when the item cannot be sent now; it is retried on `resume`, or after a second. */
    send(item: Item): boolean
    /** Resolves when the receiver has read everything sent before. */
    untilRead(): Promise<void>
    /** Half of the room has become free, for the first time since an item was refused. */
    onRoom(): void
    /** Something may follow again. */
    onFollow(): void
  },
): PacedQueue<Item> {
  const { maxItems, maxBytes } = init
  const { pauseMs, isAlone, send, untilRead, onRoom, onFollow } = components
  const waiting: Array<{ item: Item; bytes: number }> = []
  let bytes = 0
  let hasRefused = false
  let dueAt = 0
  /** The pause after the latest item. */
  let paused = 0
  let isBlocked = false
  /** Whether everything has left in a hurry, and nothing since. */
  let hasHurried = false
  let unread = 0
  /** What was sent, until something may follow it. */
  let alone: { item: Item } | undefined
  /** Estimated milliseconds until an unhindered receiver has read an item. */
  let roundTripMs = 0
  let timer: NodeJS.Timeout | undefined

  /** Sends the first item. Returns whether it was sent. */
  function sendFirst(): boolean {
    const [first] = waiting
    if (first === undefined || !send(first.item)) return false
    waiting.shift()
    bytes -= first.bytes
    paused = pauseMs(first.item)
    if (isAlone(first.item)) alone = first
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
    hasHurried = false
    if (isSent) void awaitRead()
    isBlocked = !isSent
    dueAt = performance.now() + (isSent ? paused : blockedMs)
    schedule()
    tellRoom()
  }

  async function awaitRead(): Promise<void> {
    const sentAt = performance.now()
    const sent = alone
    unread++
    await untilRead()
    unread--
    const took = performance.now() - sentAt
    roundTripMs = took < roundTripMs ? took : roundTripMs + (took - roundTripMs) * adapting
    dueAt = Math.max(dueAt, performance.now() + paused / 2)
    if (sent !== undefined) setTimeout(() => follow(sent), dueAt - performance.now())
    schedule()
  }

  function follow(sent = alone): void {
    if (alone === undefined || sent !== alone) return
    alone = undefined
    onFollow()
    schedule()
  }

  function schedule(): void {
    if (timer !== undefined || alone !== undefined || waiting.length === 0 || unread > roundTripMs / paused) return
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
      while (alone === undefined && waiting[0] !== undefined && !isAlone(waiting[0].item) && sendFirst());
      hasHurried = waiting.length === 0
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
      dueAt = Math.min(dueAt, performance.now() + paused)
      follow()
      return first?.item
    },
    get first() {
      return waiting[0]?.item
    },
    get mayFollow() {
      return alone === undefined
    },
    get isIdle() {
      return waiting.length === 0 && alone === undefined && (hasHurried || (unread === 0 && performance.now() >= dueAt))
    },
  }
}
