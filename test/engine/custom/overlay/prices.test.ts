import { expect, test } from 'vitest'
import { workBudget } from '../../../../src/engine/custom/link/frame-budget.ts'
import { priceOf, priceOfControl } from '../../../../src/engine/custom/link/frame-prices.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import type { OverlayFrame } from '../../../../src/engine/custom/overlay/frames.ts'
import { createTokenBucket, type TokenBucket } from '../../../../src/lib/token-bucket.ts'
import { grow } from '../../../fixtures/simulation/grow.ts'
import { type Behaviour, createSimulation, type SimulatedNode, type Simulation } from '../../../fixtures/simulation/simulation.ts'

/** Follows what every peer has left of its budget at every other; answers the least that one of them ever had. */
function watchBudgets(simulation: Simulation): { behaviour(): Behaviour; least(): number } {
  const buckets = new Map<string, TokenBucket>()
  let least: number = workBudget.burst
  let receivers = 0
  const price = (frame: OverlayFrame) => priceOf(frame.type === 'message' ? frameTypes.message : frameTypes.control) + priceOfControl(frame)

  return {
    behaviour() {
      const receiver = receivers++
      return {
        alters: (frame) => frame,
        onFrame(frame, from) {
          const key = `${from} ${receiver}`
          const bucket = buckets.get(key) ?? createTokenBucket(workBudget)
          buckets.set(key, bucket)
          bucket.spend(simulation.now(), price(frame))
          least = Math.min(least, bucket.left(simulation.now()))
        },
      }
    },
    least: () => least,
  }
}

/** As many messages a second as a gateway takes, all of them of a few authors. */
function burst(simulation: Simulation, nodes: SimulatedNode[], topicsOf: (round: number) => string): void {
  for (let round = 0; round < 500; round++) {
    simulation.random.pick(nodes).publish(topicsOf(round))
    if (round % 10 === 9) simulation.run(2)
  }
}

/** No honest peer uses half of what it may. */
const enough = workBudget.burst / 2

test('fifty nodes that join at once, publish, are parted and meet again stay far below their budgets', () => {
  const simulation = createSimulation({ seed: 3 })
  const budgets = watchBudgets(simulation)
  const nodes = Array.from({ length: 50 }, () => simulation.addNode(simulation.nodes.slice(0, 1), budgets.behaviour()))
  for (const node of nodes) node.overlay.subscribe('orders')
  simulation.run(20_000)
  burst(simulation, nodes, () => 'orders')
  simulation.partition([nodes.slice(0, 25), nodes.slice(25)])
  simulation.run(10_000)
  burst(simulation, nodes, () => 'orders')
  simulation.heal()
  simulation.run(60_000)
  burst(simulation, nodes, () => 'orders')
  simulation.run(10_000)
  expect(simulation.linked(nodes[0] ?? simulation.addNode([])).length).toBeGreaterThan(0)
  expect(nodes.every(({ delivered }) => delivered.size > 700)).toBe(true)
  expect(budgets.least()).toBeGreaterThan(enough)
})

test('nodes with two hundred topics in common stay far below their budgets, and are not taken for a flood', () => {
  const simulation = createSimulation({ seed: 4, limits: { tickMs: 100 } })
  const budgets = watchBudgets(simulation)
  const topics = Array.from({ length: 200 }, (_, index) => `topic-${index}`)
  const nodes = grow(simulation, { nodes: 12, topicsOf: () => topics, behaviourOf: () => budgets.behaviour() })
  simulation.run(20_000)
  const linked = nodes.map((node) => simulation.linked(node).length)
  for (let round = 0; round < 3; round++) burst(simulation, nodes, (index) => `topic-${index % 200}`)
  simulation.run(10_000)
  expect(nodes.map(({ overlay }) => overlay.size().scoredPeers)).toEqual(nodes.map(() => 0))
  expect(Math.min(...linked)).toBeGreaterThan(0)
  expect(budgets.least()).toBeGreaterThan(enough)
})
