import { expect, test } from 'vitest'
import { grow } from '../../../fixtures/simulation/grow.ts'
import { measureSpread } from '../../../fixtures/simulation/measure.ts'
import { createSimulation } from '../../../fixtures/simulation/simulation.ts'

test('reaches all survivors when a fifth of the nodes dies at once, also with what is sent before anybody noticed', () => {
  const simulation = createSimulation({ seed: 3 })
  const members = grow(simulation, { nodes: 200, topicsOf: () => ['orders'] })
  simulation.run(30_000)
  const author = members[100] ?? simulation.random.pick(members)
  for (let at = 0; at < 3; at++) measureSpread(simulation, { author, topic: 'orders', members })
  const doomed = members.filter((node) => node !== author).filter((_node, index) => index % 5 === 0)
  for (const node of doomed) simulation.kill(node)
  const at = measureSpread(simulation, { author, topic: 'orders', members, ms: 15_000 })
  const after = measureSpread(simulation, { author, topic: 'orders', members })
  expect(at.reached).toBe(1)
  expect(after.reached).toBe(1)
})

test('delivers to all who stay while others come and go', () => {
  const simulation = createSimulation({ seed: 4 })
  const members = grow(simulation, { nodes: 100, topicsOf: () => ['orders'] })
  simulation.run(30_000)
  const author = members[10] ?? simulation.random.pick(members)
  const staying = members.slice(0, 60)
  const ids: string[] = []
  const leaving = members.slice(60)
  for (const node of leaving) {
    simulation.kill(node)
    simulation.addNode(members.slice(0, 1)).overlay.subscribe('orders')
    ids.push(author.publish('orders').id)
    simulation.run(1_000)
  }
  simulation.run(15_000)
  for (const node of staying) if (node !== author) expect(ids.filter((id) => !node.delivered.has(id))).toEqual([])
})

test('delivers what was sent while links broke', () => {
  const simulation = createSimulation({ seed: 5 })
  const members = grow(simulation, { nodes: 50, topicsOf: () => ['orders'] })
  simulation.run(30_000)
  const ids: string[] = []
  for (let round = 0; round < 50; round++) {
    ids.push(simulation.random.pick(members).publish('orders').id)
    const node = simulation.random.pick(members)
    const neighbors = simulation.linked(node)
    if (neighbors.length > 0) simulation.breakLink(node, simulation.random.pick(neighbors))
    simulation.run(200)
  }
  simulation.run(15_000)
  for (const node of members) expect(ids.filter((id) => !node.delivered.has(id) && !id.startsWith(`${node.peerId}.`))).toEqual([])
})

test('is one network again after a partition', () => {
  const simulation = createSimulation({ seed: 6 })
  const members = grow(simulation, { nodes: 100, topicsOf: () => ['orders'] })
  simulation.run(30_000)
  const east = members.filter((_node, index) => index % 2 === 0)
  const west = members.filter((_node, index) => index % 2 === 1)
  simulation.partition([east, west])
  simulation.run(60_000)
  const [one, other] = [simulation.random.pick(east), simulation.random.pick(west)]
  const apart = measureSpread(simulation, { author: one, topic: 'orders', members })
  expect(apart.reached).toBeLessThan(0.5)
  simulation.heal()
  simulation.run(60_000)
  expect(measureSpread(simulation, { author: one, topic: 'orders', members, ms: 15_000 }).reached).toBe(1)
  expect(measureSpread(simulation, { author: other, topic: 'orders', members, ms: 15_000 }).reached).toBe(1)
})
