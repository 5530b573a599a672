/** Own messages of batches that failed: a commit may have gone through although nobody said so. */
export interface Uncertain {
  note(ids: string[]): void
  /** Those of the messages that were noted, which are not uncertain any longer: they are in the log. */
  found<Message extends { id: string }>(messages: Message[]): Message[]
}

/** Some batches, for as long as a database may be away. */
const maxIds = 10_000
const rememberMs = 600_000

/** @param components.now age time */
export function createUncertain(components: { now(): number }): Uncertain {
  const { now } = components
  /** When each was noted, the oldest first. */
  const notedAt = new Map<string, number>()
  return {
    note(ids) {
      for (const id of ids) notedAt.set(id, now())
      for (const [id, at] of notedAt) {
        if (notedAt.size <= maxIds && at > now() - rememberMs) break
        notedAt.delete(id)
      }
    },
    found: (messages) => (notedAt.size === 0 ? [] : messages.filter(({ id }) => notedAt.delete(id))),
  }
}
