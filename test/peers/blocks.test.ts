import { expect, test } from 'vitest'
import { createBlocks } from '../../src/peers/blocks.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

/** Blocks of a store, and what the engine was told. */
function setUp() {
  const store = createMemoryStore()
  const told: string[] = []
  const engine = {
    block: async (peerId: string) => void told.push(`block ${peerId}`),
    unblock: async (peerId: string) => void told.push(`unblock ${peerId}`),
  }
  return { told, store: store.peers, blocks: createBlocks({ engine, store: store.peers }) }
}

test('what was blocked or unblocked in the store, also by another gateway, is at the engine, and each change once', async () => {
  const { told, store, blocks } = setUp()
  await store.annotate('one', { blocked: true })
  await store.annotate('two', { blocked: true })
  await blocks.follow()
  expect(told.splice(0).toSorted()).toEqual(['block one', 'block two'])
  await store.annotate('one', { blocked: false })
  await blocks.follow()
  await blocks.follow()
  expect(told).toEqual(['unblock one'])
})

test('what was set here is followed as it is', async () => {
  const { told, store, blocks } = setUp()
  await blocks.inTurn(async () => {
    await store.annotate('one', { blocked: true })
    await blocks.set('one', true)
  })
  await blocks.follow()
  expect(told.splice(0)).toEqual(['block one'])
  await blocks.inTurn(async () => {
    await store.annotate('one', { blocked: false })
    await blocks.set('one', false)
  })
  await blocks.follow()
  expect(told).toEqual(['unblock one'])
})
