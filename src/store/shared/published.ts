import type { PublishedItem } from '../log-store.ts'

export function withRecipients(items: PublishedItem[], recipients: number[]): PublishedItem[] {
  return items.map((item, index) => ({ ...item, recipients: recipients[index] ?? item.recipients }))
}
