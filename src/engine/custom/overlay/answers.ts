import type { BroadcastComponents } from './broadcast-components.ts'
import type { OverlayLimits } from './limits.ts'
import type { MessageCache } from './message-cache.ts'

/**
 * Answers to `graft`: the cached messages that neighbours ask for. What a link has no room for is sent as soon as it has
 * some, since the neighbour asks each holder once.
 */
export interface Answers {
  /** A neighbour asks for messages of a topic. */
  ask(peerId: string, topic: string, ids: readonly string[]): void
  /** Sends a neighbour what waits for it, as far as its link has room. */
  flushFor(peerId: string): void
  /** The same for all neighbours. */
  flush(): void
  forgetPeer(peerId: string): void
  /** Forgets which messages were sent, of those that are no longer cached. */
  sweep(): void
  /** How many ids are kept: of messages that wait, and of those that were sent. */
  readonly size: number
}

interface Asker {
  /** Ids of messages for which its link had no room yet, in the order in which it asked for them. */
  readonly waiting: Set<string>
  /** Ids of messages that it was sent, so that it does not get one repeatedly. A new link may have lost them. */
  readonly sent: Set<string>
}

export function createAnswers(
  init: { limits: Pick<OverlayLimits, 'maxPeerMissing'> },
  components: Pick<BroadcastComponents, 'send' | 'subscribers' | 'offence' | 'used'> & { cache: MessageCache },
): Answers {
  const { cache } = components
  const askers = new Map<string, Asker>()

  /** Returns false when the link has no room. */
  function answer(peerId: string, asker: Asker, id: string): boolean {
    const message = cache.get(id)
    if (message === undefined || !components.subscribers(message.envelope.topic).has(peerId)) return true
    if (!components.send(peerId, { type: 'message', hops: message.hops, envelope: message.envelope })) return false
    asker.sent.add(id)
    components.used(peerId)
    return true
  }

  function flushAsker(peerId: string, asker: Asker): void {
    for (const id of asker.waiting) {
      if (!answer(peerId, asker, id)) return
      asker.waiting.delete(id)
    }
  }

  return {
    ask(peerId, topic, ids) {
      if (ids.length === 0) return
      const asker = askers.get(peerId) ?? { waiting: new Set(), sent: new Set() }
      askers.set(peerId, asker)
      for (const id of ids) {
        const message = cache.get(id)
        if (message?.envelope.topic !== topic) continue
        if (asker.sent.has(id)) components.offence(peerId, 'waste')
        // The cached text of the id is kept, not a copy. An honest neighbour does not ask for more at a time.
        else if (asker.waiting.size < init.limits.maxPeerMissing) asker.waiting.add(message.envelope.id)
      }
      flushAsker(peerId, asker)
    },
    flushFor(peerId) {
      const asker = askers.get(peerId)
      if (asker !== undefined) flushAsker(peerId, asker)
    },
    flush() {
      for (const [peerId, asker] of askers) flushAsker(peerId, asker)
    },
    forgetPeer: (peerId) => askers.delete(peerId),
    sweep() {
      for (const [peerId, { waiting, sent }] of askers) {
        for (const id of sent) if (cache.get(id) === undefined) sent.delete(id)
        if (waiting.size + sent.size === 0) askers.delete(peerId)
      }
    },
    get size() {
      let size = 0
      for (const { waiting, sent } of askers.values()) size += waiting.size + sent.size
      return size
    },
  }
}
