import { describe, expect, test } from 'vitest'
import { StoreUnavailable } from '../../src/errors.ts'
import { messageId, type SignedMessage } from '../../src/model/signed-message.ts'
import type { Verdict } from '../../src/model/verdict.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { author, createRoad, gatedLog, hearing } from './road-for-test.ts'

describe('direct messages', () => {
  test('are acknowledged once they are stored, and not before', async () => {
    const gated = gatedLog()
    const road = await createRoad({ wrapLog: gated.wrap })
    const { direct } = await author()
    let isAnswered = false
    const answer = road.ingest.takeDirect([direct('one'), direct('two')]).finally(() => {
      isAnswered = true
    })
    await expect.poll(() => gated.gates.length).toBe(1)
    expect(isAnswered).toBe(false)
    gated.gates[0]?.resolve()
    expect(await answer).toMatchObject([{ known: false }, { known: false }])
    expect(await road.stored()).toEqual(['one', 'two'])
  })

  test('that the store refused are not acknowledged', async () => {
    const gated = gatedLog()
    const road = await createRoad({ wrapLog: gated.wrap })
    const { direct } = await author()
    const message = direct('refused')
    const answer = road.ingest.takeDirect([message])
    await expect.poll(() => gated.gates.length).toBe(1)
    gated.gates[0]?.reject(new StoreUnavailable('no disk'))
    expect(await answer).toBeUndefined()
    const again = road.ingest.takeDirect([message])
    await expect.poll(() => gated.gates.length).toBe(2)
    gated.gates[1]?.resolve()
    expect(await again).toMatchObject([{ known: false }])
    const repeated = road.ingest.takeDirect([message])
    await expect.poll(() => gated.gates.length).toBe(3)
    gated.gates[2]?.resolve()
    expect(await repeated).toMatchObject([{ known: true }])
    expect(await road.stored()).toEqual(['refused'])
  })

  test('that find no room, or come after the end, are not acknowledged, nor stored', async () => {
    const gated = gatedLog()
    const road = await createRoad({ wrapLog: gated.wrap, limits: { maxInboxMessages: 4 } })
    const { direct } = await author()
    const first = road.ingest.takeDirect([direct('a')])
    await expect.poll(() => gated.gates.length).toBe(1)
    const second = road.ingest.takeDirect([direct('b'), direct('c'), direct('d')])
    expect(await road.ingest.takeDirect([direct('no room'), direct('no room')])).toBeUndefined()
    for (let opened = 0; opened < 2; opened++) {
      await expect.poll(() => gated.gates.length).toBe(opened + 1)
      gated.gates[opened]?.resolve()
    }
    expect([await first, await second]).toMatchObject([[{ known: false }], [{ known: false }, { known: false }, { known: false }]])
    await road.ingest.stop()
    expect(await road.ingest.takeDirect([direct('late')])).toBeUndefined()
    expect(await road.stored()).toEqual(['a', 'b', 'c', 'd'])
  })
})

describe('a message of the network', () => {
  test('is forwarded when it is new, and neither when this gateway has it nor when another has it under its id', async () => {
    const road = await hearing()
    const { sign } = await author()
    const message = sign('one')
    expect(await road.hear(message)).toBe('accept')
    expect(await road.hear(message)).toBe('ignore')
    expect(await road.hear({ ...message, signature: new Uint8Array(64) })).toBe('ignore')
  })

  test('that another gateway of the database has just stored is forwarded, and one that it has had for long is not', async () => {
    const disk = createMemoryDisk()
    let now = 1_800_000_000_000
    const road = await hearing({ disk, now: () => now })
    const { sign } = await author()
    const elsewhere = async (text: string, receivedAt: number) => {
      const message = sign(text)
      await createMemoryStore(disk).log.append([{ ...message, id: messageId(message.from, message.sequence), receivedAt }])
      return message
    }
    const [before, fresh] = [await elsewhere('before the start', now - 1), await elsewhere('fresh', now + 1_000)]
    now += 2_000
    expect([await road.hear(before), await road.hear(fresh)]).toEqual(['ignore', 'accept'])
    now += 3_600_000
    const old = await elsewhere('an hour old', now - 3_000_000)
    expect(await road.hear(old)).toBe('ignore')
  })

  test('over the limit, or from an author who has sent enough, is ignored; what was known costs nothing, and after an hour there is more', async () => {
    let now = 1_800_000_000_000
    const road = await hearing({ limits: { maxMessageBytes: 10, maxAuthorBytesPerHour: 20 }, now: () => now })
    const { sign } = await author()
    expect(await road.hear(sign('0123456789a'))).toBe('ignore')
    const first = sign('0123456789')
    expect(await road.hear(first)).toBe('accept')
    for (let count = 0; count < 3; count++) expect(await road.hear(first)).toBe('ignore')
    expect(await road.hear(sign('0123456789'))).toBe('accept')
    expect(await road.hear(sign('x'))).toBe('ignore')
    expect(await road.hear(sign('x', 'another topic'))).toBe('accept')
    now += 3_600_000
    expect(await road.hear(sign('x'))).toBe('accept')
    expect(await road.stored()).toEqual(['0123456789', '0123456789', 'x', 'x'])
  })

  test('that was judged while the inbox filled up is ignored, costs its author nothing, and is taken when it comes again', async () => {
    const gated = gatedLog()
    const verdict = Promise.withResolvers<void>()
    let asked = 0
    const judges = {
      async judge() {
        if (asked++ === 0) await verdict.promise
        return { verdict: 'accept', given: true } as const
      },
    }
    const limits = { maxInboxMessages: 1, maxAuthorBytesPerHour: 10, validateTimeoutMs: 50 }
    const road = await hearing({ wrapLog: gated.wrap, limits, judges })
    const { sign } = await author()
    const message = sign('0123456789')
    const judged = road.hear(message)
    await expect.poll(() => asked).toBe(1)
    const [one, other] = [road.publish('orders', 'taken'), (await author()).sign('waits')]
    await expect.poll(() => gated.gates.length).toBe(1)
    const waiting = road.hear(other)
    await expect.poll(() => road.ingest.backlog.messages).toBe(1)
    verdict.resolve()
    expect(await judged).toBe('ignore')
    expect(await road.hear(message)).toBe('ignore')
    gated.gates[0]?.resolve()
    await one
    await expect.poll(() => gated.gates.length).toBe(2)
    gated.gates[1]?.resolve()
    expect(await waiting).toBe('accept')
    const again = road.hear(message)
    await expect.poll(() => gated.gates.length).toBe(3)
    gated.gates[2]?.resolve()
    expect(await again).toBe('accept')
  })

  test('that finds no room waits for it, and meanwhile the engine is told that there is none', async () => {
    const gated = gatedLog()
    const road = await hearing({ wrapLog: gated.wrap, limits: { maxInboxMessages: 1 } })
    const { sign, peerId } = await author()
    expect(road.hasRoom(peerId)).toBe(true)
    const heard: Array<Promise<Verdict>> = []
    for (const [index, text] of ['taken', 'in the inbox', 'waits'].entries()) {
      heard.push(road.hear(sign(text)))
      await expect.poll(() => [gated.gates.length, road.ingest.backlog.messages]).toEqual([1, Math.min(index, 1)])
    }
    expect(road.hasRoom(peerId)).toBe(false)
    for (let opened = 0; opened < 3; opened++) {
      await expect.poll(() => gated.gates.length).toBe(opened + 1)
      gated.gates[opened]?.resolve()
    }
    expect(await Promise.all(heard)).toEqual(['accept', 'accept', 'accept'])
    expect(road.hasRoom(peerId)).toBe(true)
    expect(await road.stored()).toEqual(['taken', 'in the inbox', 'waits'])
  })

  test('that a client has refused is not judged again; one that nobody judged in time is, and costs its author nothing', async () => {
    const asked: string[] = []
    const judges = {
      async judge({ data }: SignedMessage) {
        asked.push(Buffer.from(data).toString())
        return { verdict: 'ignore', given: Buffer.from(data).toString() === 'refused' } as const
      },
    }
    const disk = createMemoryDisk()
    const road = await hearing({ judges, disk, limits: { maxAuthorBytesPerHour: 2 * 'refused'.length + 'late'.length } })
    const { sign } = await author()
    const [refused, late] = [sign('refused'), sign('late')]
    for (let count = 0; count < 3; count++) for (const each of [refused, late]) expect(await road.hear(each)).toBe('ignore')
    expect(asked).toEqual(['refused', 'late', 'late', 'late'])
    await road.ingest.stop()
    expect([...disk.seen.keys()]).toEqual([messageId(refused.from, refused.sequence)])
  })
})

describe('messages of the past', () => {
  const past = (message: SignedMessage) => ({ message, firstSeenAt: Date.now() - 1_000 })

  test('are judged, counted against their authors unless they are known, and refused whole where the store refuses', async () => {
    const gated = gatedLog()
    const judges = {
      judge: async ({ data }: SignedMessage) =>
        ({ verdict: Buffer.from(data).toString() === 'bad' ? 'reject' : 'accept', given: true }) as const,
    }
    const road = await createRoad({ wrapLog: gated.wrap, judges, limits: { maxAuthorBytesPerHour: 12 } })
    const { sign } = await author()
    const [good, bad] = [sign('good'), sign('bad')]
    const failed = road.ingest.takePast([past(good), past(bad)])
    await expect.poll(() => gated.gates.length).toBe(1)
    gated.gates[0]?.reject(new StoreUnavailable('no disk'))
    expect(await failed).toBeUndefined()
    const outcomes = []
    for (let opened = 1; opened < 4; opened++) {
      const taking = road.ingest.takePast([past(good)])
      await expect.poll(() => gated.gates.length).toBe(opened + 1)
      gated.gates[opened]?.resolve()
      outcomes.push(await taking)
    }
    expect(outcomes).toEqual([
      { stored: 1, known: 0, refused: 0 },
      { stored: 0, known: 1, refused: 0 },
      { stored: 0, known: 1, refused: 0 },
    ])
    expect(await road.ingest.takePast([past(bad)])).toEqual({ stored: 0, known: 0, refused: 1 })
    expect(await road.stored()).toEqual(['good'])
  })

  test('for which there is no room are not taken, and cost nothing', async () => {
    const gated = gatedLog()
    const road = await createRoad({ wrapLog: gated.wrap, limits: { maxInboxMessages: 1, maxAuthorBytesPerHour: 1 } })
    const first = road.publish('orders', 'one')
    await expect.poll(() => gated.gates.length).toBe(1)
    const waiting = road.publish('orders', 'two')
    await expect.poll(() => road.ingest.backlog.messages).toBe(1)
    const { sign } = await author()
    const message = sign('x')
    expect(await road.ingest.takePast([past(message)])).toBeUndefined()
    gated.gates[0]?.resolve()
    await expect.poll(() => gated.gates.length).toBe(2)
    gated.gates[1]?.resolve()
    await first
    await waiting
    const taking = road.ingest.takePast([past(message)])
    await expect.poll(() => gated.gates.length).toBe(3)
    gated.gates[2]?.resolve()
    expect(await taking).toEqual({ stored: 1, known: 0, refused: 0 })
  })
})
