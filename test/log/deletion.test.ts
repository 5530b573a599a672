import { expect, test } from 'vitest'
import { createParties, createParty, linkParties, type Party } from '../fixtures/party.ts'
import { openStream } from '../fixtures/stream-client.ts'

const limits = { historyIntervalMs: 100, historyBeforeJoinMs: 3_600_000 }
const idsOf = async ({ rest }: Party) => (await rest.history('topic=orders')).map(({ id }) => id)

test('a deleted message comes back from no peer, is given to none, and subscribers that were not sent it are told', async () => {
  const { here, there } = await createParties({ limits }, { limits })
  for (const { rest } of [here, there]) await rest.call('PUT', '/v1/topics/orders')
  await expect.poll(() => here.engine.subscribers('orders')).toEqual([there.peerId])
  await using follower = await openStream(here.gateway.url, { query: '?topic=orders' })
  await follower.expect('caught-up')
  const sent = []
  for (const author of [there, here, there]) {
    sent.push(await author.rest.publish('orders', 'data'))
    await expect.poll(async () => [await idsOf(here), await idsOf(there)].map(({ length }) => length)).toEqual([sent.length, sent.length])
  }
  const ids = sent.map(({ id }) => id)
  const [first, second, third] = await here.rest.history('topic=orders')
  await follower.until(() => follower.messages.length === 3)
  for (const id of ids.slice(0, 2)) expect(await here.rest.call('DELETE', `/v1/messages/${id}`)).toMatchObject({ status: 204 })

  // From the beginning, and from a cursor at which the first was known.
  const gap = (from: unknown, to?: { cursor: string }) => ({ type: 'gap', topic: 'orders', from, to: to?.cursor, reason: 'deleted' })
  await using late = await openStream(here.gateway.url, { query: '?topic=orders&after=earliest' })
  await late.expect('caught-up')
  await using resumed = await openStream(here.gateway.url, { query: `?topic=orders&after=${first?.cursor}` })
  await resumed.expect('caught-up')
  const told = (stream: typeof late) => stream.frames.filter(({ type }) => type === 'gap' || type === 'message')
  expect(told(late)).toEqual([
    gap(expect.any(String), first),
    gap(first?.cursor, second),
    { type: 'message', message: expect.objectContaining({ id: ids[2] }) },
  ])
  expect(told(resumed)).toEqual([gap(first?.cursor, second), { type: 'message', message: expect.objectContaining({ id: ids[2] }) }])

  // Catching up with the peer that has them does not bring them back, and a new peer gets them only from there.
  await here.engine.hangUp(there.peerId)
  const missed = await there.rest.publish('orders', 'missed')
  await linkParties(here, there)
  await expect.poll(() => idsOf(here)).toEqual([third?.id, missed.id])
  await here.engine.hangUp(there.peerId)
  const newcomer = await createParty({ limits })
  await newcomer.rest.call('PUT', '/v1/topics/orders')
  await linkParties(newcomer, here)
  await expect.poll(() => idsOf(newcomer)).toEqual([third?.id, missed.id])
  expect((await idsOf(there)).toSorted()).toEqual([...ids, missed.id].toSorted())
  // Who was sent them before is told nothing.
  expect(follower.frames.filter(({ type }) => type === 'gap')).toEqual([])
})

test('a deleted message that waited for its first subscriber is not sent, and those around it are', async () => {
  const here = await createParty({ limits })
  const sent = []
  for (const data of ['one', 'two', 'three']) sent.push(await here.rest.publish('orders', data))
  expect(sent.map(({ recipients }) => recipients)).toEqual([0, 0, 0])
  const [first, second, third] = sent.map(({ id }) => id)
  expect(await here.rest.call('DELETE', `/v1/messages/${second}`)).toMatchObject({ status: 204 })
  const there = await createParty({ limits })
  await there.rest.call('PUT', '/v1/topics/orders')
  await linkParties(here, there)
  await expect.poll(() => idsOf(there)).toEqual([first, third])
  const last = await here.rest.publish('orders', 'four')
  await expect.poll(() => idsOf(there)).toEqual([first, third, last.id])
})
