import { expect, test } from 'vitest'
import type { Link } from '../../../src/engine/custom/link/link.ts'
import { createRefusals } from '../../../src/engine/custom/refusals.ts'
import { createLimitsReached } from '../../../src/engine/limits-reached.ts'
import { silentLog } from '../../fixtures/log.ts'

type Components = Parameters<typeof createRefusals>[1]

const link = (peerId: string, seenAt: string, direction: 'inbound' | 'outbound' = 'inbound') =>
  ({ peerId, seenAt, direction, isRelayed: false, hello: { multiaddrs: [] as string[] } as Link['hello'] }) as Link

/** Whether a peer that comes from an address is refused beside links, of which there may be eight. */
function isRefused(seenAt: string, there: Link[], { isConfigured = false } = {}): boolean {
  const links: Partial<Components['links']> = { all: there, size: there.length, get: () => undefined }
  const components: Partial<Components> = {
    links: links as Components['links'],
    isConfigured: () => isConfigured,
    isBlocked: () => false,
    reached: createLimitsReached(),
    logger: silentLog,
  }
  const refusal = createRefusals({ peerId: 'self', maxConnections: 8 }, components as Components).ofCrowd(link('newcomer', seenAt))
  if (refusal !== undefined) expect(refusal.goodbye).toMatchObject({ reason: 'full' })
  return refusal !== undefined
}

test.each([
  ['of IPv4', '192.0.2.1', ['192.0.2.1', '192.0.2.1'], true],
  ['of one IPv6 /64', '2001:db8::1', ['2001:db8::2', '2001:db8::3:4'], true],
  ['of another IPv6 /64', '2001:db8:0:1::1', ['2001:db8::2', '2001:db8::3'], false],
  ['of this host', '127.0.0.1', ['127.0.0.1', '127.0.0.1'], false],
] as const)('peers %s have a quarter of the links while others have any', (_name, seenAt, held, expected) => {
  const elsewhere = link('elsewhere', '198.51.100.1')
  const crowd = held.map((each, index) => link(`crowd ${index}`, each))
  expect(isRefused(seenAt, [elsewhere, ...crowd])).toBe(expected)
  expect(isRefused(seenAt, [elsewhere, ...crowd], { isConfigured: true })).toBe(false)
  expect(isRefused(seenAt, crowd)).toBe(false)
  expect(isRefused(seenAt, [elsewhere, ...held.map((each) => link(`dialled ${each}`, each, 'outbound'))])).toBe(false)
})
