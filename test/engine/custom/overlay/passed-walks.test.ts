import { expect, test } from 'vitest'
import { createFrameBudget } from '../../../../src/engine/custom/link/frame-budget.ts'
import { priceOf, priceOfControl } from '../../../../src/engine/custom/link/frame-prices.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import type { OverlayFrame } from '../../../../src/engine/custom/overlay/frames.ts'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { overlayForTest } from '../../../fixtures/overlay-for-test.ts'

const topic = 'orders'
const peer = { peerId: 'stranger', multiaddrs: ['/sim/stranger'] }

/** What hostile peers send, each a number of its own. */
const walks: Array<[type: string, frame: (count: number) => OverlayFrame]> = [
  ['join', () => ({ type: 'join' })],
  ['forward-join', () => ({ type: 'forward-join', peer, hops: 8 })],
  ['shuffle', (count) => ({ type: 'shuffle', token: `${count}`, hops: 8, peers: [] })],
  ['seek', (count) => ({ type: 'seek', token: `${count}`, topic, hops: 8 })],
]

test.each(walks)(
  'walks that many peers set off (%s) cost this node less than its budget at the neighbour that it passes them on to',
  (_, frameOf) => {
    const { link, overlay, sent, pass } = overlayForTest()
    link('honest')
    overlay.receive('honest', { type: 'neighbor', priority: 'high' })
    const hostile = Array.from({ length: 90 }, (_, index) => `hostile ${index}`)
    for (const peerId of hostile) link(peerId, [], true, 'inbound')
    const budget = createFrameBudget()
    const paused: Array<number | 'over'> = []
    let passed = 0
    for (let ms = 0, count = 0; ms < 30_000; ms += 100) {
      sent.length = 0
      for (const peerId of hostile) for (let each = 0; each < 5; each++) overlay.receive(peerId, frameOf(count++))
      pass(100)
      for (const { to, frame } of sent) {
        if (to !== 'honest' || frame.type === 'message') continue
        passed++
        const until = budget.charge(ms, priceOf(frameTypes.control) + priceOfControl(frame))
        if (until === 'over' || until > ms) paused.push(until)
      }
    }
    expect(paused).toEqual([])
    // As many as the neighbour takes are passed on.
    expect(passed).toBeGreaterThan(defaultOverlayLimits.walksBurst)
  },
)
