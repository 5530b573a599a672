import { expect, test } from 'vitest'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createParties, createParty, linkParties, type Party } from '../fixtures/party.ts'
import { openStream } from '../fixtures/stream-client.ts'

const often = { historyIntervalMs: 100 }

interface Page {
  items: Array<{ id: string }>
  gaps?: unknown[]
}
const pageOf = ({ rest }: Party) => rest.get<Page>('/v1/messages?topic=orders&after=earliest&limit=100')
const idsOf = async (party: Party) => (await pageOf(party)).items.map(({ id }) => id)

/** Two linked gateways that have the same three messages; what is broken on `disk` is damaged at the first. */
async function damaged(limits = often) {
  const disk = createMemoryDisk()
  const { here, there } = await createParties({ limits }, { store: createMemoryStore(disk), limits })
  for (const { rest } of [here, there]) await rest.call('PUT', '/v1/topics/orders')
  await expect.poll(() => here.engine.subscribers('orders')).toEqual([there.peerId])
  const published = []
  for (const party of [here, there, here]) {
    published.push(await party.rest.publish('orders', 'data'))
    await expect.poll(async () => (await idsOf(there)).length).toBe(published.length)
    await expect.poll(async () => (await idsOf(here)).length).toBe(published.length)
  }
  return { disk, here, there, published, ids: published.map(({ id }) => id) }
}

test('what is found damaged is a gap, and comes back from a neighbour, our own messages too, under its id and at the end', async () => {
  const { disk, here, there, ids, published } = await damaged()
  await here.engine.hangUp(there.peerId)
  for (const id of ids.slice(0, 2)) disk.broken.add(id)
  const gaps = published.slice(0, 2).map(({ cursor }) => ({ topic: 'orders', from: expect.any(String), to: cursor, reason: 'damaged' }))
  expect(await pageOf(here)).toMatchObject({ items: [{ id: ids[2] }], gaps })
  await linkParties(here, there)
  await expect.poll(async () => (await idsOf(here)).toSorted()).toEqual(ids.toSorted())
  expect((await idsOf(here))[0]).toBe(ids[2])
  expect((await pageOf(here)).gaps).toEqual(gaps)
  // It was sent once, and is not sent again.
  expect(await idsOf(there)).toEqual(ids)
})

test('neighbours that are there are asked at once', async () => {
  const { disk, here, ids } = await damaged({ historyIntervalMs: 3_600_000 })
  await using follower = await openStream(here.gateway.url, { query: '?topic=orders' })
  await follower.expect('caught-up')
  disk.broken.add(ids[1] ?? '')
  expect(await idsOf(here)).not.toContain(ids[1])
  await follower.until(() => follower.messages.length === 1)
  expect(follower.messages[0]?.id).toBe(ids[1])
})

test.each([true, false])('comes back from a neighbour that has left its topic (its topic is known: %s)', async (isKnown) => {
  const { disk, here, there, ids } = await damaged()
  await there.rest.call('DELETE', '/v1/topics/orders')
  await expect.poll(() => here.engine.subscribers('orders')).toEqual([])
  await here.engine.hangUp(there.peerId)
  disk.broken.add(ids[1] ?? '')
  expect(await idsOf(here)).toEqual([ids[0], ids[2]])
  if (!isKnown) for (const [seq, missing] of disk.damage) disk.damage.set(seq, { ...missing, topic: undefined })
  await linkParties(here, there)
  await expect.poll(() => idsOf(here)).toEqual([ids[0], ids[2], ids[1]])
})

test('what nobody has stays missing', async () => {
  const { disk, here, there, ids } = await damaged()
  await there.rest.call('DELETE', `/v1/messages/${ids[1]}`)
  disk.broken.add(ids[1] ?? '')
  expect(await idsOf(here)).toEqual([ids[0], ids[2]])
  const third = await createParty({ limits: often })
  await third.rest.call('PUT', '/v1/topics/orders')
  await linkParties(third, here)
  const sent = await third.rest.publish('orders', 'another')
  await expect.poll(() => idsOf(here)).toEqual([ids[0], ids[2], sent.id])
})

test('a neighbour that asks for what is damaged is given the rest, and goes on asking', async () => {
  const { disk, here, there, ids } = await damaged()
  // It would have the damaged one again from there.
  await here.engine.hangUp(there.peerId)
  for (const id of ids.slice(0, 1)) disk.broken.add(id)
  const late = await createParty({ limits: { ...often, historyBeforeJoinMs: 3_600_000 } })
  await late.rest.call('PUT', '/v1/topics/orders')
  await linkParties(late, here)
  await expect.poll(async () => (await idsOf(late)).toSorted()).toEqual(ids.slice(1).toSorted())
  const { id } = await here.rest.publish('orders', 'later')
  await expect.poll(() => idsOf(late)).toContain(id)
})
