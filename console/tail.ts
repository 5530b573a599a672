import type { Client, Item, Message } from '../clients/typescript/src/index.ts'

/** Lines that the page keeps; with more the oldest leave. */
export const maxLines = 500
/** Pause between two drawings, in milliseconds: what comes meanwhile is drawn at once. */
const drawMs = 200

export type Line = { type: 'message'; message: Message; cursor: string } | Extract<Item, { type: 'gap' }>

export interface TailView {
  lines: Line[]
  received: number
  /** Messages that left the list before they were drawn. */
  undrawn: number
  isRunning: boolean
  error: unknown
}

export interface TailInit {
  client: () => Client
  topic: string
  draw: (view: TailView) => void
}

/** The newest messages of a topic, or of the topics of a pattern. A pause keeps the position, so nothing is left out. */
export class Tail {
  readonly #init: TailInit
  #lines: Line[] = []
  #received = 0
  #undrawn = 0
  #fresh = 0
  #position: string
  #stop: AbortController | undefined
  #drawing: ReturnType<typeof setTimeout> | undefined
  #error: unknown

  constructor(init: TailInit, after = 'latest') {
    this.#init = init
    this.#position = after
  }

  get view(): TailView {
    const isRunning = this.#stop !== undefined
    return { lines: [...this.#lines], received: this.#received, undrawn: this.#undrawn, isRunning, error: this.#error }
  }

  async resume(): Promise<void> {
    if (this.#stop !== undefined) return
    const stop = new AbortController()
    this.#stop = stop
    this.#error = undefined
    this.#draw()
    try {
      for await (const item of this.#init.client().subscribe(this.#init.topic, { after: this.#position, signal: stop.signal })) {
        if (stop.signal.aborted) return
        this.#position = item.cursor
        if (item.type !== 'caughtUp') this.add(item)
      }
    } catch (error) {
      this.#error = error
    } finally {
      if (this.#stop === stop) this.pause()
    }
  }

  pause(): void {
    this.#stop?.abort()
    this.#stop = undefined
    this.#draw()
  }

  add(line: Line): void {
    if (line.type === 'message') this.#received++
    this.#lines.push(line)
    this.#fresh++
    if (this.#lines.length > maxLines) this.#lines.splice(0, this.#lines.length - maxLines)
    if (this.#fresh > maxLines) {
      this.#fresh = maxLines
      this.#undrawn++
    }
    this.#draw()
  }

  clear(): void {
    this.#lines = []
    this.#draw()
  }

  #draw(): void {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined
      this.#fresh = 0
      this.#init.draw(this.view)
    }, drawMs)
  }
}
