import type { Item, Message, SubscribeOptions } from '../clients/typescript/src/index.ts'

/** Lines that the page keeps; with more the oldest leave. */
export const maxLines = 500
/** Pause between two drawings, in milliseconds: what comes meanwhile is drawn at once. */
const drawMs = 200
/**
 * Lines that are shown while more than these come between two drawings: a list that is new from top to bottom each time
 * would take all the time of the page. The whole list is shown again after a second with fewer.
 */
export const floodLines = 50
const calmDrawings = 5

export type Line = { type: 'message'; message: Message; cursor: string } | Extract<Item, { type: 'gap' }>

export interface TailView {
  lines: Line[]
  /** How many of the lines, the newest, are to be shown. */
  shown: number
  received: number
  /** Messages that left the list before they were drawn. */
  undrawn: number
  isRunning: boolean
  /** Whether what was stored before has come, so that each new message is shown as it comes. */
  isLive: boolean
  error: unknown
}

export interface TailInit {
  client: () => { subscribe(topic: string, options: SubscribeOptions): AsyncIterable<Item> }
  topic: string
  draw: (view: TailView) => void
}

/** The newest messages of a topic, or of the topics of a pattern. A pause keeps the position, so nothing is left out. */
export class Tail {
  readonly #init: TailInit
  #lines: Array<{ line: Line; isDrawn: boolean }> = []
  #received = 0
  #undrawn = 0
  #fresh = 0
  #isFlooded = false
  /** Drawings in a row, during a flood, with few fresh lines. */
  #calm = 0
  #position: string
  #stop: AbortController | undefined
  #isLive = false
  #drawing: ReturnType<typeof setTimeout> | undefined
  #error: unknown

  constructor(init: TailInit, after = 'latest') {
    this.#init = init
    this.#position = after
  }

  get view(): TailView {
    return {
      lines: this.#lines.map(({ line }) => line),
      shown: this.#isFlooded ? floodLines : maxLines,
      received: this.#received,
      undrawn: this.#undrawn,
      isRunning: this.#stop !== undefined,
      isLive: this.#isLive,
      error: this.#error,
    }
  }

  async resume(): Promise<void> {
    if (this.#stop !== undefined) return
    const stop = new AbortController()
    this.#stop = stop
    this.#error = undefined
    this.#drawNow()
    try {
      for await (const item of this.#init.client().subscribe(this.#init.topic, { after: this.#position, signal: stop.signal })) {
        if (stop.signal.aborted) return
        this.#position = item.cursor
        if (item.type === 'caughtUp') this.#caughtUp()
        else this.add(item)
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
    this.#isLive = false
    this.#drawNow()
    // That it pauses is seen at once; the long list would take the time for it.
    if (this.#isFlooded) this.#draw()
  }

  add(line: Line): void {
    if (line.type === 'message') this.#received++
    this.#lines.push({ line, isDrawn: false })
    this.#fresh++
    const gone = this.#lines.length > maxLines ? this.#lines.shift() : undefined
    if (gone?.isDrawn === false) this.#undrawn++
    this.#draw()
  }

  clear(): void {
    this.#lines = []
    this.#drawNow()
  }

  #caughtUp(): void {
    this.#isLive = true
    this.#draw()
  }

  #draw(): void {
    this.#drawing ??= setTimeout(() => {
      this.#drawing = undefined
      this.#noteFlood()
      this.#drawNow()
      if (this.#isFlooded) this.#draw()
    }, drawMs)
  }

  /** What somebody has clicked is seen at once. */
  #drawNow(): void {
    const { view } = this
    for (const kept of this.#lines.slice(-view.shown)) kept.isDrawn = true
    this.#init.draw(view)
  }

  #noteFlood(): void {
    const isCalm = this.#stop === undefined || this.#fresh <= floodLines
    this.#fresh = 0
    this.#calm = isCalm ? this.#calm + 1 : 0
    this.#isFlooded = !isCalm || (this.#isFlooded && this.#stop !== undefined && this.#calm < calmDrawings)
  }
}
