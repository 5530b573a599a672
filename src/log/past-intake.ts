import type { NetworkKind } from '../engine/engine.ts'
import type { NewMessage } from '../model/message.ts'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import type { AppendEntry } from '../store/log-append.ts'
import type { Admission } from './admission.ts'
import type { AuthorOrder } from './author-order.ts'
import type { Times } from './batch.ts'

/** Takes in messages that peers have kept, which are judged like live ones. */
export interface PastIntake {
  /**
   * Takes in verified messages, which are not forwarded, except by a bridge: to networks other than these, those of the
   * peer, and when they are new to these too. Returns the outcome; undefined when not all of them could be stored:
   * without room or database, or as this gateway stops while they wait for earlier ones of their authors.
   */
  take(past: PastMessage[], networks?: readonly NetworkKind[]): Promise<PastOutcome | undefined>
}

export interface PastMessage {
  message: SignedMessage
  /** When the first gateway on the way here received it; age time. */
  firstSeenAt: number
}

/** Numbers of messages that were new and stored, already known, and refused. */
export interface PastOutcome {
  stored: number
  known: number
  refused: number
}

export interface PastIntakeComponents {
  admission: Pick<Admission, 'judge' | 'settled'>
  order: Pick<AuthorOrder, 'turnsOfPast' | 'settled'>
  fits(messages: NewMessage[]): boolean
  /** Appends messages in one transaction; undefined when that failed. */
  store(messages: NewMessage[]): Promise<AppendEntry[] | undefined>
  /** The messages, which peers of the networks have kept, are about to be stored. */
  onTaken(messages: NewMessage[], networks: readonly NetworkKind[]): void
  times(): Times
}

export function createPastIntake(components: PastIntakeComponents): PastIntake {
  const { admission, order, fits, store, onTaken, times } = components

  async function storeNow(messages: NewMessage[], isTheirTurn = true): Promise<AppendEntry[] | undefined> {
    if (messages.length === 0) return []
    const entries = isTheirTurn && fits(messages) ? await store(messages) : undefined
    admission.settled(messages, entries)
    order.settled(messages.map(({ id }) => id))
    return entries
  }

  /** Each in its turn, whatever others wait for, so that no later one of its author is stored before it. */
  async function storeInTurn(messages: NewMessage[]): Promise<AppendEntry[] | undefined> {
    const turns = order.turnsOfPast(messages)
    const storing = [storeNow(messages.filter((_, index) => turns[index] === undefined))]
    for (const [index, turn] of turns.entries()) if (turn !== undefined) storing.push(storeAfter(turn, messages.slice(index, index + 1)))
    const stored = await Promise.all(storing)
    return stored.includes(undefined) ? undefined : stored.flatMap((entries) => entries ?? [])
  }

  async function storeAfter(turn: Promise<boolean>, messages: NewMessage[]): Promise<AppendEntry[] | undefined> {
    return await storeNow(messages, await turn)
  }

  return {
    async take(past, networks = []) {
      const verdicts = await Promise.all(past.map(({ message }) => admission.judge(message)))
      const at = times()
      const judged = past.map(({ message, firstSeenAt }, index) => ({
        isLetIn: verdicts[index] === 'accept',
        message: { ...message, id: messageId(message.from, message.sequence), ...at, firstSeenAt },
      }))
      const wanted = judged.flatMap(({ isLetIn, message }) => (isLetIn ? message : []))
      order.settled(judged.flatMap(({ isLetIn, message }) => (isLetIn ? [] : message.id)))
      onTaken(wanted, networks)
      const entries = await storeInTurn(wanted)
      if (entries === undefined) return undefined
      const stored = entries.filter(({ known }) => !known).length
      return { stored, known: entries.length - stored, refused: past.length - wanted.length }
    },
  }
}
