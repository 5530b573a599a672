import { messageId, type SignedMessage } from '../model/signed-message.ts'
import type { Verdict } from '../model/verdict.ts'

/**
 * Messages of others on their way into the log. Copies of one that come meanwhile, live or fetched, share its verdict
 * and its charge. Bounded by what may be judged, and wait, at a time.
 */
export interface Passages {
  /** The verdict on the message, by `judge` unless a copy of it is on its way. A copy that is let in has to `leave`. */
  enter(message: SignedMessage, judge: () => Promise<Verdict>): Promise<Verdict>
  /**
   * A copy that was let in is stored, or given up.
   * @param isNew whether it was stored as a new message
   * @returns whether this copy was, or another that was on its way with it
   */
  leave(message: SignedMessage, isNew: boolean): boolean
  /** Whether the message was let in, and is neither stored nor given up yet. */
  isLetIn(message: SignedMessage): boolean
  /** Those of these messages that were let in and are not stored yet. They stay on their way until it is disposed of. */
  letIn(ids: ReadonlySet<string>): LetIn
}

export interface LetIn extends Disposable {
  /** By id. */
  readonly messages: ReadonlyMap<string, SignedMessage>
}

interface Passage {
  readonly id: string
  readonly message: SignedMessage
  readonly verdict: Promise<Verdict>
  copies: number
  isLetIn: boolean
  isNew: boolean
}

/** @param components.onLost no copy is left of a message that was let in, and none was stored as a new one */
export function createPassages(components: { onLost(message: SignedMessage): void }): Passages {
  /** By id and signature, since an author may sign two messages with one number. */
  const passages = new Map<string, Passage>()

  function keyOf({ from, sequence, signature }: SignedMessage): string {
    return `${messageId(from, sequence)} ${Buffer.from(signature).toString('latin1')}`
  }

  function leave(message: SignedMessage, isNew: boolean): boolean {
    const key = keyOf(message)
    const passage = passages.get(key)
    if (passage === undefined) return isNew
    passage.isNew ||= isNew
    if (--passage.copies > 0) return passage.isNew
    passages.delete(key)
    if (passage.isLetIn && !passage.isNew) components.onLost(message)
    return passage.isNew
  }

  return {
    async enter(message, judge) {
      const { from, sequence } = message
      const key = keyOf(message)
      const passage = passages.get(key) ?? {
        id: messageId(from, sequence),
        message,
        verdict: judge(),
        copies: 0,
        isLetIn: false,
        isNew: false,
      }
      passages.set(key, passage)
      passage.copies++
      try {
        passage.isLetIn = (await passage.verdict) === 'accept'
        return await passage.verdict
      } finally {
        if (!passage.isLetIn) leave(message, false)
      }
    },
    leave,
    isLetIn: (message) => passages.get(keyOf(message))?.isLetIn === true,
    letIn(ids) {
      const joined = [...passages.values()].filter(({ id, isLetIn }) => isLetIn && ids.has(id))
      for (const passage of joined) passage.copies++
      return {
        messages: new Map(joined.map(({ id, message }) => [id, message])),
        [Symbol.dispose]() {
          for (const { message } of joined) leave(message, false)
        },
      }
    },
  }
}
