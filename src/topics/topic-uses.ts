/**
 * The topics that clients use at this gateway, in memory, so that a use does not cost a query. The store is told
 * periodically. A forgotten use is recorded again the next time.
 */
export interface TopicUses {
  /** Records a use. Returns false when the client was not known to use the topic. */
  note(topic: string, client: string): boolean
  /** Remembers that the client uses the topic. */
  add(topic: string, client: string): void
  /** Opens a use that lasts until disposed of. */
  open(topic: string, client: string): Disposable
  /** Whether the client has an open use of the topic. */
  isOpen(topic: string, client: string): boolean
  /** By client, the topics that are in use or were used since the last call. Forgets all others. */
  take(): Map<string, string[]>
  forgetTopic(topic: string): void
  forgetClient(client: string): void
}

interface Use {
  topic: string
  client: string
  /** Number of open uses: subscriptions and validators. */
  open: number
  isUsed: boolean
}

/** Remembered uses, of about 200 bytes each. Any further use costs a write to the database each time. */
const maxUses = 10_000

export function createTopicUses(): TopicUses {
  const byTopic = new Map<string, Map<string, Use>>()
  let size = 0

  function find(topic: string, client: string): Use | undefined {
    return byTopic.get(topic)?.get(client)
  }

  function remove({ topic, client }: Use): void {
    const uses = byTopic.get(topic)
    if (uses?.delete(client) !== true) return
    size--
    if (uses.size === 0) byTopic.delete(topic)
  }

  function add(topic: string, client: string): Use {
    const known = find(topic, client)
    if (known !== undefined) return known
    const uses = byTopic.get(topic) ?? new Map<string, Use>()
    const use = { topic, client, open: 0, isUsed: false }
    byTopic.set(topic, uses)
    uses.set(client, use)
    size++
    return use
  }

  function all(): Use[] {
    return [...byTopic.values()].flatMap((uses) => [...uses.values()])
  }

  return {
    note(topic, client) {
      const use = find(topic, client)
      if (use !== undefined) use.isUsed = true
      return use !== undefined
    },
    add(topic, client) {
      if (size < maxUses) add(topic, client)
    },
    open(topic, client) {
      const use = add(topic, client)
      use.open++
      let isOpen = true
      return {
        [Symbol.dispose]() {
          if (isOpen) use.open--
          use.isUsed = true
          isOpen = false
        },
      }
    },
    isOpen: (topic, client) => (find(topic, client)?.open ?? 0) > 0,
    take() {
      const used = all().filter(({ open, isUsed }) => open > 0 || isUsed)
      for (const use of all()) {
        if (use.open === 0 && !use.isUsed) remove(use)
        use.isUsed = false
      }
      return new Map(
        Array.from(
          Map.groupBy(used, ({ client }) => client),
          ([client, uses]) => [client, uses.map(({ topic }) => topic)],
        ),
      )
    },
    forgetTopic(topic) {
      for (const use of [...(byTopic.get(topic)?.values() ?? [])]) remove(use)
    },
    forgetClient(client) {
      for (const use of all()) if (use.client === client) remove(use)
    },
  }
}
