import { BoundedMap } from '../lib/bounded-map.ts'

/** Own messages of failed batches: the commit may have succeeded without an acknowledgement. */
export interface Uncertain {
  note(ids: string[]): void
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
  const notedAt = new BoundedMap<string, number>({ max: maxIds })
  return {
    note(ids) {
      for (const id of ids) notedAt.set(id, now())
      notedAt.deleteWhile((at) => at <= now() - rememberMs)
    },
    found: (messages) => (notedAt.size === 0 ? [] : messages.filter(({ id }) => notedAt.delete(id))),
  }
}
