import type { StoredMessage } from '../model/message.ts'
import type { ItemClaim } from '../store/consumer-store.ts'

/** The work of a worker. */
export interface Work {
  /** The worker has room again. */
  wake(): void
  /** What the worker has goes to others. Its delivery does not count for those that it has not begun with. */
  end(unbegun?: string[]): void
}

/** Takes messages: a connection, or a waiting request. */
export interface Worker {
  /** How many messages it takes now, beside those that it has. */
  readonly room: number
  /** Whether it is done with the first messages that it gets: they stay claimed when it leaves. */
  readonly once: boolean
  take(messages: HandedOut[]): void
  /** It gets nothing more: the consumer was removed or, if it takes messages once, they could not be read. */
  ended(error: unknown): void
}

export interface HandedOut {
  message: StoredMessage
  /** Of the log. */
  epoch: string
  /** 1 for the first delivery. */
  attempt: number
  /** Tells this delivery from others of the message. */
  claim: string
}

/** What a worker gets of what is handed out. */
export interface WorkerShare {
  worker: Worker
  messages: HandedOut[]
}

/** The workers of a consumer at this gateway, and the items that each has until a time. */
export class WorkerClaims {
  readonly #workers = new Map<Worker, Set<string>>()
  readonly #claims = new Map<string, { claim: string; worker: Worker; until: number }>()

  get size(): number {
    return this.#workers.size
  }

  get all(): Worker[] {
    return [...this.#workers.keys()]
  }

  get claimed(): ItemClaim[] {
    return Array.from(this.#claims, ([id, { claim }]) => ({ id, claim }))
  }

  /** What all workers of a kind together take now. */
  room(kind: Pick<Worker, 'once'>): number {
    let room = 0
    for (const worker of this.#workers.keys()) if (worker.once === kind.once) room += Math.max(0, this.#roomOf(worker))
    return room
  }

  add(worker: Worker): void {
    this.#workers.set(worker, new Set())
  }

  /** Returns what it had. */
  remove(worker: Worker): ItemClaim[] {
    const had = this.claimed.filter(({ id }) => this.#workers.get(worker)?.has(id))
    this.#workers.delete(worker)
    for (const { id } of had) this.#claims.delete(id)
    return had
  }

  clear(): void {
    this.#workers.clear()
    this.#claims.clear()
  }

  /** A worker that had the message before has it no longer. */
  hold({ id, claim }: ItemClaim, worker: Worker, until: number): void {
    this.free(id)
    this.#workers.get(worker)?.add(id)
    this.#claims.set(id, { claim, worker, until })
  }

  extend({ id, claim }: ItemClaim, until: number): void {
    const held = this.#claims.get(id)
    if (held?.claim === claim) held.until = until
  }

  /** With a `claim`: only if it is the one that is held. */
  free(id: string, claim?: string): void {
    const held = this.#claims.get(id)
    if (held === undefined || (claim !== undefined && held.claim !== claim)) return
    this.#claims.delete(id)
    this.#workers.get(held.worker)?.delete(id)
  }

  endBefore(now: number): void {
    for (const [id, { until }] of this.#claims) if (until <= now) this.free(id)
  }

  /** Spreads messages among the workers of a kind, each to the one with the most room; `left` is what nobody has room for. */
  share(kind: Pick<Worker, 'once'>, messages: HandedOut[]): { shares: WorkerShare[]; left: HandedOut[] } {
    const rooms: Array<WorkerShare & { room: number }> = []
    const left: HandedOut[] = []
    for (const worker of this.#workers.keys())
      if (worker.once === kind.once) rooms.push({ worker, room: this.#roomOf(worker), messages: [] })
    for (const message of messages) {
      let most: (typeof rooms)[number] | undefined
      for (const each of rooms) if (each.room > (most?.room ?? 0)) most = each
      if (most !== undefined) most.room--
      ;(most?.messages ?? left).push(message)
    }
    return { shares: rooms.filter((each) => each.messages.length > 0), left }
  }

  #roomOf(worker: Worker): number {
    return worker.room - (this.#workers.get(worker)?.size ?? 0)
  }
}
