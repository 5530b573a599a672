import { expect, test } from 'vitest'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import { createShowing } from '../../../../src/engine/custom/reach/showing.ts'

const link = (own: Partial<Link> = {}) =>
  ({ peerId: 'a', direction: 'inbound', seenAt: '8.8.4.7', remote: '/ip4/8.8.4.7/tcp/4001/wss', ...own }) as Link

function showing() {
  const state = { now: 0 }
  const parts = createShowing({ hasCircuit: (one, other) => one === 'a' && other.startsWith('b'), now: () => state.now })
  return { state, ...parts }
}

test('a relay shows an end of a circuit to the other end, at the address of its socket, and to nobody else', () => {
  const { of } = showing()
  expect(of(link(), 'b')).toEqual({ ip: '8.8.4.7', port: 4_001 })
  expect(of(link(), 'c')).toBeUndefined()
  expect(of(link({ peerId: 'c' }), 'b')).toBeUndefined()
})

test('a peer that the relay dialled, or that is behind another relay, is not shown', () => {
  const { of } = showing()
  expect(of(link({ direction: 'outbound' }), 'b')).toBeUndefined()
  expect(of(link({ seenAt: undefined }), 'b')).toBeUndefined()
})

test('a peer is shown to another four times at once, then once a minute', () => {
  const { of, state } = showing()
  const shown = (to: string) => of(link(), to) !== undefined
  expect(Array.from({ length: 6 }, () => shown('b'))).toEqual([true, true, true, true, false, false])
  expect(shown('b2')).toBe(true)
  state.now += 60_000
  expect([shown('b'), shown('b')]).toEqual([true, false])
})
