import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { GossipSub } from '@libp2p/gossipsub'
import { expect, test } from 'vitest'
import { gossipInternals, pinnedVersion } from '../../../src/engine/libp2p/gossip/gossip-internals.ts'
import { stockNode } from '../../fixtures/stock-node.ts'

test('the parts are those of the pinned version', async () => {
  const { pubsub } = (await stockNode()).services
  expect(gossipInternals(pubsub)).toBe(pubsub)
  const root = createRequire(import.meta.url)
    .resolve('@libp2p/gossipsub')
    .replace(/dist.*/, '')
  const { version } = JSON.parse(await readFile(`${root}package.json`, 'utf8'))
  expect(version).toBe(pinnedVersion)
})

test.for(['selectPeersToPublish', 'sendRpc', 'seenCache', 'streamsOutbound', 'score'])(
  'another version, without %s, is refused by name',
  async (part) => {
    const { pubsub } = (await stockNode()).services
    const other: GossipSub = Object.create(pubsub, { [part]: { value: undefined } })
    expect(() => gossipInternals(other)).toThrow(new RegExp(`${part} differ.*Install that version`))
  },
)
