import { describe, expect, test } from 'vitest'
import { grow } from '../../../fixtures/simulation/grow.ts'
import { measureSpread } from '../../../fixtures/simulation/measure.ts'
import { createSimulation } from '../../../fixtures/simulation/simulation.ts'

const topicOf = (index: number) => `topic-${index % 20}`

describe('twenty topics, each with a twentieth of the nodes as subscribers', () => {
  const simulation = createSimulation({ seed: 11 })
  const nodes = grow(simulation, { nodes: 400, topicsOf: (index) => [topicOf(index)] })
  simulation.run(60_000)
  const spreads = Array.from({ length: 20 }, (_, topic) => {
    const members = nodes.filter((_node, index) => index % 20 === topic)
    const author = simulation.random.pick(members)
    const init = { author, topic: topicOf(topic), members, ms: 3_000 }
    return [measureSpread(simulation, init), measureSpread(simulation, init)] as const
  })

  test('reach every subscriber', () => {
    expect(spreads.flat().every(({ reached }) => reached === 1)).toBe(true)
  })

  test('cross subscribers only, once each', () => {
    const copies = spreads.map(([, second]) => second.copies)
    expect(copies.reduce((sum, each) => sum + each) / copies.length).toBeLessThanOrEqual(1.2)
  })

  test('are published to from outside once subscribers were found', () => {
    const publisher = simulation.addNode(nodes.slice(0, 1))
    simulation.run(5_000)
    publisher.publish('topic-3')
    simulation.runUntil(() => publisher.overlay.subscribers('topic-3').length > 0, 30_000)
    const members = nodes.filter((_node, index) => index % 20 === 3)
    for (let at = 0; at < 3; at++) measureSpread(simulation, { author: publisher, topic: 'topic-3', members })
    expect(measureSpread(simulation, { author: publisher, topic: 'topic-3', members })).toMatchObject({ reached: 1 })
  })
})

test('two subscribers among two hundred nodes find each other', () => {
  const simulation = createSimulation({ seed: 12 })
  const nodes = grow(simulation, { nodes: 200, topicsOf: () => [] })
  simulation.run(20_000)
  const [one, other] = [nodes[50], nodes[150]]
  one?.overlay.subscribe('rare')
  other?.overlay.subscribe('rare')
  expect(simulation.runUntil(() => one?.overlay.subscribers('rare').length === 1, 60_000)).toBeLessThan(60_000)
})
