import { describe, expect, test } from 'vitest'
import { grow, mean, quantile } from '../../../fixtures/simulation/grow.ts'
import { measureSpread, type Spread } from '../../../fixtures/simulation/measure.ts'
import { createSimulation, type SimulatedNode, type Simulation } from '../../../fixtures/simulation/simulation.ts'

function network(nodes: number): { simulation: Simulation; members: SimulatedNode[]; author: SimulatedNode } {
  const simulation = createSimulation({ seed: 7, minLatencyMs: 20, maxLatencyMs: 150 })
  const members = grow(simulation, { nodes, topicsOf: () => ['orders'] })
  simulation.run(30_000)
  return { simulation, members, author: simulation.random.pick(members) }
}

describe.each([50, 200])('a stable network of %i subscribers', (size) => {
  const { simulation, members, author } = network(size)
  const first = measureSpread(simulation, { author, topic: 'orders', members })
  const second = measureSpread(simulation, { author, topic: 'orders', members })
  const byAnybody = (messages: number) =>
    Array.from({ length: messages }, () => measureSpread(simulation, { author: simulation.random.pick(members), topic: 'orders', members }))
  /** The tree gets its root in the middle of them. */
  const first40 = byAnybody(40)
  const others = byAnybody(20)

  test('receives every message everywhere', () => {
    expect([first, second, ...first40, ...others].filter(({ reached }) => reached < 1)).toEqual([])
  })

  test('sends each message about once to each', () => {
    expect(mean([second, ...first40, ...others].map(({ copies }) => copies))).toBeLessThanOrEqual(1.05)
    // While a tree is renewed, the old one is used as well.
    expect(
      quantile(
        others.map(({ copies }) => copies),
        1,
      ),
    ).toBeLessThanOrEqual(2)
  })

  test("reaches the last as fast as the links allow when the tree's author sends", () => {
    expect(second.lastMs / second.boundMs).toBeLessThanOrEqual(1.2)
  })

  test('reaches the last in twice that time when others send, and never waits for a repair', () => {
    const ratios = (spreads: Spread[]) => spreads.map(({ lastMs, boundMs }) => lastMs / boundMs)
    expect(quantile(ratios(others), 0.95)).toBeLessThanOrEqual(2)
    expect(quantile(ratios(first40), 1)).toBeLessThanOrEqual(3)
  })
})

test('keeps the order of an author', () => {
  const { simulation, members, author } = network(50)
  const ids = Array.from({ length: 100 }, () => author.publish('orders').id)
  simulation.run(5_000)
  for (const node of members) if (node !== author) expect([...node.delivered.keys()]).toEqual(ids)
})

test('keeps few links to each', () => {
  const { members } = network(200)
  expect(
    quantile(
      members.map(({ overlay }) => overlay.size().links),
      0.5,
    ),
  ).toBeLessThanOrEqual(16)
})
