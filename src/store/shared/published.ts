import type { PublishedItem } from '../log-append.ts'

export function withRecipients(items: PublishedItem[], recipients: number[]): PublishedItem[] {
  return items.map((item, index) => ({ ...item, recipients: recipients[index] ?? item.recipients }))
}
