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

const wide = { maxInboxMessages: 100, maxInboxBytes: 1_000, clientSharePercent: 25 }
const unit = (more: Partial<InboxItem> = {}): InboxItem => ({ holder: 'a', isForeign: false, messages: 1, bytes: 1, ...more })

/** An inbox in which two holders have something, so that nobody is alone. */
function shared() {
  const inbox = createInbox(wide)
  inbox.push(unit({ holder: 'b' }))
  inbox.push(unit())
  return inbox
}

test('a holder has a quarter of the messages, and of the bytes, while others wait too', () => {
  const inbox = shared()
  expect([inbox.fits(unit({ messages: 24 })), inbox.fits(unit({ messages: 25 }))]).toEqual([true, false])
  expect([inbox.fits(unit({ bytes: 249 })), inbox.fits(unit({ bytes: 250 }))]).toEqual([true, false])
})

test('nobody, and nothing in all, goes beyond the bounds of messages and of bytes', () => {
  const inbox = createInbox(wide)
  for (const holder of ['a', 'b', 'c', 'd']) inbox.push(unit({ holder, messages: 25, bytes: 250 }))
  expect([inbox.size, inbox.bytes]).toEqual([100, 1_000])
  expect(inbox.fits(unit({ holder: 'e', bytes: 0 }))).toBe(false)
  expect(inbox.fits(unit({ holder: 'e', messages: 0 }))).toBe(false)
})

test('what comes from the network leaves a quarter to the clients, whoever wrote it, and has room again when it was taken', async () => {
  const inbox = createInbox(wide)
  for (const holder of ['a', 'b', 'c']) inbox.push(unit({ holder, isForeign: true, messages: 25, bytes: 1 }))
  expect(inbox.fits(unit({ holder: 'd', isForeign: true }))).toBe(false)
  expect(inbox.fits(unit({ holder: 'd', messages: 25 }))).toBe(true)
  expect(await inbox.take(25)).toHaveLength(1)
  expect([inbox.size, inbox.bytes]).toEqual([50, 2])
  expect(inbox.fits(unit({ holder: 'd', isForeign: true, messages: 25 }))).toBe(true)
  expect(inbox.fits(unit({ holder: 'd', isForeign: true, messages: 25, bytes: 749 }))).toBe(false)
})

test('a batch has as many messages as are asked for, whole items, and at least one', async () => {
  const inbox = createInbox(wide)
  for (const messages of [5, 2, 2]) inbox.push(unit({ messages }))
  expect((await inbox.take(4))?.map(({ messages }) => messages)).toEqual([5])
  expect((await inbox.take(4))?.map(({ messages }) => messages)).toEqual([2, 2])
  expect([inbox.size, inbox.bytes]).toEqual([0, 0])
})

test('its reader is woken by the next item, and by the end, before which it finishes what is there', async () => {
  const inbox = createInbox(wide)
  const waiting = inbox.take(10)
  inbox.push(unit())
  expect(await waiting).toHaveLength(1)
  inbox.push(unit())
  inbox.close()
  expect(inbox.fits(unit())).toBe(false)
  expect(await inbox.take(10)).toHaveLength(1)
  expect(await inbox.take(10)).toBeUndefined()
  const empty = createInbox(wide)
  const ending = empty.take(10)
  empty.close()
  expect(await ending).toBeUndefined()
})
