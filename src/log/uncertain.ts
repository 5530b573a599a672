import { BoundedMap } from '../lib/bounded-map.ts'

/** Messages of failed batches that are to be sent: the commit may have succeeded without an acknowledgement. */
export interface Uncertain {
  /** @param others messages of other authors; however many there are, own ones are not forgotten for them */
  note(own: string[], others: string[]): void
  /** Returns the noted messages among these and removes them from the notes: they are in the log. */
  found<Message extends { id: string }>(messages: Message[]): Message[]
}

/** Some batches, for as long as a database may be unavailable. */
const maxIds = 10_000
const rememberMs = 600_000

/** @param components.now age time */
export function createUncertain(components: { now(): number }): Uncertain {
  const { now } = components
  /** Time of each note. */
  const ownNotes = new BoundedMap<string, number>({ max: maxIds })
  const otherNotes = new BoundedMap<string, number>({ max: maxIds })

  function noteIn(notes: BoundedMap<string, number>, ids: string[]): void {
    for (const id of ids) notes.set(id, now())
    notes.deleteWhile((at) => at <= now() - rememberMs)
  }

  return {
    note(own, others) {
      noteIn(ownNotes, own)
      noteIn(otherNotes, others)
    },
    found: (messages) =>
      ownNotes.size + otherNotes.size === 0 ? [] : messages.filter(({ id }) => ownNotes.delete(id) || otherNotes.delete(id)),
  }
}
