import { type GatheredBytes, gatherBytes } from '../../../lib/gathered-bytes.ts'
import type { HeldBody } from '../../bodies.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'

/** The body of a request or an answer while its pieces arrive. Its memory is counted. */
export class IncomingBody implements Disposable {
  readonly length: number
  readonly #held: HeldBody
  readonly #gathered: GatheredBytes
  #isWhole = false

  constructor(length: number, held: HeldBody) {
    this.length = length
    this.#held = held
    this.#gathered = gatherBytes(length)
  }

  /**
   * Returns the whole body when this is its last piece, and `full` when there is no room for more of it.
   * @throws ProtocolViolation when the piece is empty, or longer than the rest of the announced length
   */
  take(piece: Buffer): Buffer | 'full' | undefined {
    const isEmpty = piece.length === 0 && this.length > 0
    if (this.#isWhole || isEmpty || piece.length > this.#gathered.missing)
      throw new ProtocolViolation('a body does not match its announced length')
    const before = this.#gathered.room
    this.#gathered.add(piece)
    this.#isWhole = this.#gathered.missing === 0
    if (this.#isWhole) return this.#gathered.bytes
    return this.#held.add(this.#gathered.room - before) ? undefined : 'full'
  }

  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]()
  }
}
