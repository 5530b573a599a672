import type { NewMessage } from '../model/message.ts'
import { firstDrawn, sequenceNumber } from '../model/signed-message.ts'
import { directTopic } from '../model/topic.ts'

/**
 * The messages of a batch with those of each other author in the order of their numbers: a message may come into the
 * inbox before an earlier one of its author that was late. Own messages stay where they are, as their idempotency keys
 * name them by index, and so do direct messages, which their sender has ordered.
 */
export interface BatchOrder {
  readonly messages: NewMessage[]
  /** What belongs to these messages, one each, in the order in which the batch came. */
  asTheyCame<Value>(values: Value[]): Value[]
}

interface Place {
  readonly index: number
  readonly sequence: bigint
}

export function batchOrder(messages: NewMessage[], own: string): BatchOrder {
  const mixed = placesOf(messages, own)
  if (mixed.size === 0) return { messages, asTheyCame: (values) => values }
  const sources = messages.map((_, index) => index)
  for (const places of mixed.values()) {
    const sorted = places.toSorted((one, other) => (one.sequence < other.sequence ? -1 : Number(one.sequence > other.sequence)))
    for (const [at, { index }] of places.entries()) sources[index] = sorted[at]?.index ?? index
  }
  return {
    messages: sources.flatMap((source) => messages[source] ?? []),
    asTheyCame(values) {
      const came = [...values]
      for (const [index, source] of sources.entries()) {
        const value = values[index]
        if (value !== undefined) came[source] = value
      }
      return came
    },
  }
}

/** Where the messages of each author are that is out of order. */
function placesOf(messages: NewMessage[], own: string): Map<string, Place[]> {
  const authors = new Map<string, Place[]>()
  const mixed = new Map<string, Place[]>()
  for (const [index, { from, topic, sequence }] of messages.entries()) {
    if (from === own || topic === directTopic) continue
    const place = { index, sequence: sequenceNumber(sequence) }
    if (place.sequence >= firstDrawn) continue
    const places = authors.get(from) ?? []
    if ((places.at(-1)?.sequence ?? 0n) > place.sequence) mixed.set(from, places)
    places.push(place)
    authors.set(from, places)
  }
  return mixed
}
