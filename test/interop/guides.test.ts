import { test } from 'vitest'
import { playGuide } from '../fixtures/guide.ts'
import { peersOfRun } from './built-peers.ts'
import { commandOf } from './foreign-peer.ts'

test('the guide to joining a Kubo network', { timeout: 180_000 }, async ({ skip }) => {
  const { kubo } = peersOfRun()
  if ('missing' in kubo) return skip(`Kubo: ${kubo.missing}`)
  await playGuide('join-kubo', { env: { IPFS_TELEMETRY: 'off' }, programs: { ipfs: commandOf('kubo') } })
})
