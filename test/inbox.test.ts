import { describe, expect, test } from 'vitest'
import { createInbox, type InboxItem } from '../src/inbox.ts'

const limits = { maxInboxMessages: 16, maxInboxBytes: 1_600, clientSharePercent: 25 }
const item = (holder: string, fields: Partial<InboxItem> = {}): InboxItem => ({
  holder,
  isForeign: false,
  messages: 1,
  bytes: 10,
  ...fields,
})

/** An inbox, and how to put in as many as fit. */
function setUp() {
  const inbox = createInbox<InboxItem>(limits)
  const fill = (next: InboxItem): number => {
    let count = 0
    for (; inbox.fits(next); count++) inbox.push(next)
    return count
  }
  return { inbox, fill }
}

describe('the inbox', () => {
  test('maxInboxMessages: a publisher at full speed leaves room for others', async () => {
    const { inbox, fill } = setUp()
    expect(fill(item('greedy'))).toBe(12)
    expect(fill(item('other'))).toBe(4)
    expect((await inbox.take(16))?.length).toBe(16)
    inbox.push(item('other'))
    expect(fill(item('greedy'))).toBe(4)
    expect([inbox.size, inbox.bytes]).toEqual([5, 50])
  })

  test('maxInboxBytes: large messages count by their bytes', () => {
    const { inbox, fill } = setUp()
    inbox.push(item('other'))
    expect(fill(item('greedy', { bytes: 150 }))).toBe(2)
    expect(inbox.fits(item('other', { bytes: 300 }))).toBe(true)
  })

  test('takes at once what is more than a share, of a holder that has nothing there', () => {
    const { inbox } = setUp()
    inbox.push(item('other'))
    expect(inbox.fits(item('batch', { messages: 10, bytes: 1_000 }))).toBe(true)
    inbox.push(item('batch', { messages: 10, bytes: 1_000 }))
    expect(inbox.fits(item('batch'))).toBe(false)
  })

  test('keeps a quarter for clients when authors of the network fill it', () => {
    const { inbox, fill } = setUp()
    const foreign = { isForeign: true }
    expect(fill(item('author a', foreign))).toBe(12)
    expect(inbox.fits(item('author b', foreign))).toBe(false)
    expect(fill(item('tok_1'))).toBe(4)
  })

  test('programs of this host may fill it', () => {
    const { inbox, fill } = setUp()
    inbox.push(item('other'))
    expect(fill(item('local'))).toBe(15)
  })
})
