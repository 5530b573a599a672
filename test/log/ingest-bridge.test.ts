import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Inbound, NetworkKind } from '../../src/engine/engine.ts'
import { createReachCounter } from '../../src/engine/reach/reach-counts.ts'
import { StoreUnavailable } from '../../src/errors.ts'
import { messageId, type SignedMessage } from '../../src/model/signed-message.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { fakeNetwork } from './outbound-for-test.ts'
import { author, createRoad, gatedLog, type Setup } from './road-for-test.ts'

/** The road of a bridge between two networks of the test's, each with a subscriber. */
async function bridgeRoad(setup: Setup = {}) {
  let inbound: Inbound | undefined
  const [custom, libp2p] = [fakeNetwork('custom'), fakeNetwork('libp2p')]
  custom.engine.subscribers = ['one']
  libp2p.engine.subscribers = ['other']
  const road = await createRoad({
    ...setup,
    wrapEngine: (engine) => ({
      ...engine,
      networks: [custom, libp2p].map(({ network }) => ({ ...engine, ...network, reachCounts: createReachCounter().counts })),
      bridge: { mayCarry: () => true, carries: () => true, topics: () => [], subscribes: () => false },
      receive(handler) {
        inbound = handler
      },
    }),
  })
  return {
    ...road,
    custom: custom.engine,
    libp2p: libp2p.engine,
    async hear(message: SignedMessage, network: NetworkKind) {
      if (inbound === undefined) throw new Error('nobody hears')
      return await inbound.onMessage(message, network)
    },
  }
}

test('a message is taken once and handed to the other network; a copy that comes back from there is not forwarded', async () => {
  const { hear, stored, custom, libp2p } = await bridgeRoad()
  const { sign } = await author()
  const message = sign('one')
  expect(await hear(message, 'custom')).toBe('accept')
  await expect.poll(() => libp2p.sent).toEqual(['one'])
  expect(await hear(message, 'libp2p')).toBe('ignore')
  expect([await stored(), custom.sent, libp2p.sent]).toEqual([['one'], [], ['one']])
})

test('a message that both networks bring at once is forwarded by each of them, and handed to neither', async () => {
  const gated = gatedLog()
  const { hear, stored, custom, libp2p, publish, ingest } = await bridgeRoad({ wrapLog: gated.wrap })
  const { sign } = await author()
  const message = sign('one')
  const first = hear(message, 'custom')
  await expect.poll(() => gated.gates.length).toBe(1)
  const second = hear(message, 'libp2p')
  // The first is out of the inbox, the second waits in it.
  await expect.poll(() => ingest.backlog.messages).toBe(1)
  gated.gates[0]?.resolve()
  expect(await first).toBe('accept')
  await expect.poll(() => gated.gates.length).toBe(2)
  gated.gates[1]?.resolve()
  expect(await second).toBe('accept')
  const after = publish('orders', 'after it')
  await expect.poll(() => gated.gates.length).toBe(3)
  gated.gates[2]?.resolve()
  await after
  expect(await stored()).toEqual(['one', 'after it'])
  expect([custom.sent, libp2p.sent]).toEqual([['after it'], ['after it']])
})

test('a message that a page has brought is handed to the other network once, also when its network sends it as well', async () => {
  const { hear, stored, ingest, custom, libp2p } = await bridgeRoad()
  const { sign } = await author()
  const message = sign('one')
  const past = { message, firstSeenAt: Date.now() - 61_000 }
  expect(await ingest.takePast([past], ['custom'])).toMatchObject({ stored: 1 })
  await expect.poll(() => libp2p.sent).toEqual(['one'])
  expect(await hear(message, 'custom')).toBe('accept')
  await nextTurn()
  expect([await stored(), custom.sent, libp2p.sent]).toEqual([['one'], [], ['one']])
})

test('a message that another gateway of the database has just stored is handed to the other network', async () => {
  const disk = createMemoryDisk()
  const { hear, custom, libp2p } = await bridgeRoad({ disk })
  const { sign } = await author()
  const message = sign('stored there')
  const stored = { ...message, id: messageId(message.from, message.sequence), receivedAt: Date.now() + 1_000 }
  await createMemoryStore(disk).log.append([stored])
  expect(await hear(message, 'custom')).toBe('accept')
  await expect.poll(() => libp2p.sent).toEqual(['stored there'])
  expect(custom.sent).toEqual([])
})

test('a known message of an earlier run is still handed to a network that brings it, since the network does not forward it', async () => {
  const disk = createMemoryDisk()
  const { sign } = await author()
  const message = sign('before the start')
  const stored = { ...message, id: messageId(message.from, message.sequence), receivedAt: Date.now() - 1_000, storedAt: Date.now() - 1_000 }
  await createMemoryStore(disk).log.append([stored])
  const { hear, libp2p, publish } = await bridgeRoad({ disk })
  expect(await hear(message, 'libp2p')).toBe('ignore')
  await publish('orders', 'after it')
  expect(libp2p.sent).toEqual(['before the start', 'after it'])
})

test('messages of a batch that seemed to fail go to the other network when they turn out to be stored', async () => {
  const { hear, stored, store, reads, libp2p } = await bridgeRoad({
    wrapLog: (log) => ({
      ...log,
      async append(messages, keyed) {
        await log.append(messages, keyed)
        throw new StoreUnavailable('the connection broke')
      },
    }),
  })
  const { sign } = await author()
  expect(await hear(sign('uncertain'), 'custom')).toBe('ignore')
  expect(await stored()).toEqual(['uncertain'])
  expect(libp2p.sent).toEqual([])
  const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 10 })
  reads.tell(messages)
  await expect.poll(() => libp2p.sent).toEqual(['uncertain'])
})

test('fetched messages cross to the networks that the peer who kept them is not on', async () => {
  const { ingest, custom, libp2p } = await bridgeRoad()
  const { sign } = await author()
  const keptAt = Date.now() - 61_000
  await ingest.takePast([{ message: sign('kept'), firstSeenAt: keptAt }], ['custom'])
  await expect.poll(() => libp2p.sent).toEqual(['kept'])
  await ingest.takePast([{ message: sign('kept by a peer on both'), firstSeenAt: keptAt }], ['custom', 'libp2p'])
  expect([custom.sent, libp2p.sent]).toEqual([[], ['kept']])
})

test('a fetched message of the last minute goes to both networks: its keeper may have brought it from the other one', async () => {
  const { ingest, custom, libp2p } = await bridgeRoad()
  const { sign } = await author()
  const keptAt = Date.now() - 50_000
  await ingest.takePast([{ message: sign('kept'), firstSeenAt: keptAt }], ['custom'])
  await ingest.takePast([{ message: sign('kept by a peer on both'), firstSeenAt: keptAt }], ['custom', 'libp2p'])
  const both = ['kept', 'kept by a peer on both']
  await expect.poll(() => [custom.sent, libp2p.sent]).toEqual([both, both])
})

test('a message that one network brings crosses, though a peer of the other one is found to keep it before it is stored', async () => {
  const gated = gatedLog()
  const { hear, ingest, custom, libp2p, publish } = await bridgeRoad({ wrapLog: gated.wrap })
  const { sign } = await author()
  const message = sign('one')
  const live = hear(message, 'custom')
  await expect.poll(() => gated.gates.length).toBe(1)
  // A gateway that has moved to libp2p has it from the custom network.
  const fetched = ingest.takePast([{ message, firstSeenAt: Date.now() - 1_000 }], ['libp2p'])
  await expect.poll(() => ingest.backlog.messages).toBe(1)
  gated.gates[0]?.resolve()
  expect(await live).toBe('accept')
  await expect.poll(() => gated.gates.length).toBe(2)
  gated.gates[1]?.resolve()
  expect(await fetched).toMatchObject({ stored: 0, known: 1 })
  const after = publish('orders', 'after it')
  await expect.poll(() => gated.gates.length).toBe(3)
  gated.gates[2]?.resolve()
  await after
  expect([custom.sent, libp2p.sent]).toEqual([['after it'], ['one', 'after it']])
})

test('maxAuthorBytesPerHour: an author has one quota in both networks, and what exceeds it does not cross', async () => {
  const { hear, stored, custom, libp2p } = await bridgeRoad({ limits: { maxAuthorBytesPerHour: 10 } })
  const { sign } = await author()
  const beyond = sign('six of it')
  expect(await hear(sign('six'), 'custom')).toBe('accept')
  expect([await hear(beyond, 'custom'), await hear(beyond, 'libp2p')]).toEqual(['ignore', 'ignore'])
  expect(await hear((await author()).sign('another'), 'libp2p')).toBe('accept')
  await expect.poll(() => [custom.sent, libp2p.sent]).toEqual([['another'], ['six']])
  expect(await stored()).toEqual(['six', 'another'])
})

test('a message that a validator rejects counts in the network that brought it, and crosses to none', async () => {
  const judges = { judge: async () => ({ verdict: 'reject' as const, given: true }) }
  const { hear, stored, custom, libp2p } = await bridgeRoad({ judges })
  const bad = (await author()).sign('bad')
  expect(await hear(bad, 'custom')).toBe('reject')
  // A peer of the other network may have it from another bridge, and has judged nothing.
  expect(await hear(bad, 'libp2p')).toBe('ignore')
  expect([await stored(), custom.sent, libp2p.sent]).toEqual([[], [], []])
})

test('what was fetched in the millisecond of the start is forwarded by the network that brings it, too', async () => {
  const at = Date.now()
  const { hear, ingest } = await bridgeRoad({ now: () => at })
  const message = (await author()).sign('one')
  expect(await ingest.takePast([{ message, firstSeenAt: at - 61_000 }], ['custom'])).toMatchObject({ stored: 1 })
  expect(await hear(message, 'custom')).toBe('accept')
})

test('a network has forwarded what it brought when it is handed a later message of the author that the other has brought', async () => {
  const gated = gatedLog()
  const { hear, libp2p, ingest } = await bridgeRoad({ wrapLog: gated.wrap })
  const { sign } = await author()
  const [before, first, second] = [sign('before'), sign('first'), sign('second')]
  const happened: string[] = []
  void hear(before, 'custom')
  await expect.poll(() => gated.gates.length).toBe(1)
  void hear(first, 'libp2p').then((verdict) => happened.push(`first: ${verdict}`))
  void hear(second, 'custom')
  await expect.poll(() => ingest.backlog.messages).toBe(2)
  gated.gates[0]?.resolve()
  await expect.poll(() => gated.gates.length).toBe(2)
  libp2p.onSend = () => happened.push('second is handed over')
  gated.gates[1]?.resolve()
  await expect.poll(() => libp2p.sent).toEqual(['before', 'second'])
  expect(happened).toEqual(['first: accept', 'second is handed over'])
})
