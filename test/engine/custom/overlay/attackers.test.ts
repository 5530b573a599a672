import { describe, expect, test } from 'vitest'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { type Attacker, createAttacker } from '../../../fixtures/simulation/attack.ts'
import { grow } from '../../../fixtures/simulation/grow.ts'
import { createSimulation } from '../../../fixtures/simulation/simulation.ts'

describe('two hundred nodes of which a fifth attacks', () => {
  const simulation = createSimulation({ seed: 9, limits: { seenMs: 20_000, cacheMs: 10_000 } })
  const attackers = new Map<number, Attacker>()
  const nodes = grow(simulation, {
    nodes: 200,
    topicsOf: () => ['orders'],
    behaviourOf(index) {
      if (index % 5 !== 4) return undefined
      const attacker = createAttacker(simulation, 'orders')
      attackers.set(index, attacker)
      return attacker
    },
  })
  const honest = nodes.filter(({ behaviour }) => behaviour === undefined)
  simulation.run(20_000)
  const before = Array.from({ length: 20 }, () => simulation.random.pick(honest).publish('orders').id)
  simulation.run(10_000)
  for (const [index, attacker] of attackers) {
    const node = nodes[index]
    if (node !== undefined) attacker.attack(node)
  }
  const during: string[] = []
  for (let second = 0; second < 30; second++) {
    during.push(simulation.random.pick(honest).publish('orders').id)
    simulation.run(1_000)
  }
  simulation.run(15_000)
  const sent = [...attackers.values()].map((attacker) => attacker.sent)

  test('were sent forged and replayed messages', () => {
    for (const kind of ['forged', 'replayed', 'control'] as const)
      expect(sent.reduce((sum, each) => sum + each[kind], 0)).toBeGreaterThan(1_000)
    expect(honest.reduce((sum, { rejected }) => sum + rejected, 0)).toBeGreaterThan(100)
  })

  test('take in nothing twice, nor what was not published', () => {
    const published = new Set([...before, ...during])
    for (const { delivered, deliveredAgain } of honest) {
      expect(deliveredAgain).toBe(0)
      expect([...delivered.keys()].filter((id) => !published.has(id))).toEqual([])
    }
  })

  test('deliver what honest nodes send', () => {
    let delivered = 0
    for (const node of honest) delivered += during.filter((id) => node.delivered.has(id) || id.startsWith(`${node.peerId}.`)).length
    expect(delivered / (honest.length * during.length)).toBeGreaterThanOrEqual(0.99)
  })

  test('keep no more than the limits allow', () => {
    for (const { overlay } of honest) {
      const size = overlay.size()
      expect(size.links).toBeLessThanOrEqual(defaultOverlayLimits.maxLinks + 1)
      expect(size.passiveView).toBeLessThanOrEqual(defaultOverlayLimits.passiveView)
      expect(size.missing).toBeLessThanOrEqual(defaultOverlayLimits.maxMissing)
      expect(size.knownSubscribers).toBeLessThanOrEqual(defaultOverlayLimits.maxKnownTopics * defaultOverlayLimits.maxKnownSubscribers)
      expect(size.walks).toBeLessThanOrEqual(defaultOverlayLimits.maxWalks)
      expect(size.scoredPeers).toBeLessThanOrEqual(defaultOverlayLimits.maxScoredPeers)
      expect(size.seen).toBeLessThanOrEqual(before.length + during.length + honest.length)
    }
  })
})
