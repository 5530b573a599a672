import type { Connection, Stream } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { createOwnUpgrades } from '../../../../src/engine/libp2p/punching/own-upgrades.ts'

const [low, high] = ['12D3KooWA', '12D3KooWB']

function connectionTo(peerId: string, open: () => Promise<Stream>): Connection {
  return Object.assign(Object.create(null), { remotePeer: { toString: () => peerId }, newStream: open })
}

function stream(status: Stream['status']): Stream {
  return Object.assign(new EventTarget(), { status }) as Stream
}

test('of two peers that upgrade at the same moment the one with the lower id goes first, until its stream closes', async () => {
  const opened = stream('open')
  const ofLow = createOwnUpgrades(low)
  const ofHigh = createOwnUpgrades(high)
  expect(ofLow.goesBefore(high)).toBe(false)
  await ofLow.of(connectionTo(high, async () => opened)).newStream('/libp2p/dcutr')
  await ofHigh.of(connectionTo(low, async () => opened)).newStream('/libp2p/dcutr')
  expect([ofLow.goesBefore(high), ofHigh.goesBefore(low)]).toEqual([true, false])
  opened.dispatchEvent(new Event('close'))
  expect(ofLow.goesBefore(high)).toBe(false)
})

test('an upgrade is in progress while its stream is being opened, and ends when that fails', async () => {
  const upgrades = createOwnUpgrades(low)
  const opening = Promise.withResolvers<Stream>()
  const opened = upgrades.of(connectionTo(high, () => opening.promise)).newStream('/libp2p/dcutr')
  expect(upgrades.goesBefore(high)).toBe(true)
  opening.reject(new Error('the relay is gone'))
  await expect(opened).rejects.toThrow('gone')
  expect(upgrades.goesBefore(high)).toBe(false)
})

test('a stream that was refused at once leaves nothing behind', async () => {
  const upgrades = createOwnUpgrades(low)
  await upgrades.of(connectionTo(high, async () => stream('reset'))).newStream('/libp2p/dcutr')
  expect(upgrades.goesBefore(high)).toBe(false)
})

test('a peer has the turn again when all upgrades with it are over', async () => {
  const upgrades = createOwnUpgrades(low)
  const [first, second] = [stream('open'), stream('open')]
  for (const opened of [first, second]) await upgrades.of(connectionTo(high, async () => opened)).newStream('/libp2p/dcutr')
  first.dispatchEvent(new Event('close'))
  expect(upgrades.goesBefore(high)).toBe(true)
  second.dispatchEvent(new Event('close'))
  expect(upgrades.goesBefore(high)).toBe(false)
})
