import { stringifyJson } from '../lib/json-text.ts'
import type { Entry } from '../log/entry.ts'
import { placeOf } from '../model/gap.ts'
import { messageView } from '../model/message.ts'
import type { WebhookGap } from '../store/webhook-store.ts'

/** The body of a request to a receiver: messages as a page of the log has them, and the gaps among them. */
export function bodyOf({ webhook, entries, gaps }: { webhook: string; entries: Entry[]; gaps: WebhookGap[] }): string {
  const items = entries.map(({ message, epoch }) => messageView(message, epoch))
  return stringifyJson({ type: 'messages', webhook, items, ...(gaps.length === 0 ? {} : { gap: gaps.map(gapView) }) })
}

export function testBody(webhook: string): string {
  return JSON.stringify({ type: 'test', webhook, items: [] })
}

export function gapView({ topic, from, to, reason }: WebhookGap) {
  return { ...placeOf(topic), from, to, reason }
}
