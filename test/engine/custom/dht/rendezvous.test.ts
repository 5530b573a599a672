import { expect, test } from 'vitest'
import { createRendezvous } from '../../../../src/engine/custom/dht/rendezvous.ts'

function setUp() {
  const topics = new Set<string>()
  const linked = new Map<string, number>()
  const met: string[] = []
  let time = 0
  const rendezvous = createRendezvous({
    node: {
      table: { size: 1 } as never,
      async meet(topic) {
        met.push(topic)
        return []
      },
    },
    topics,
    linked: (topic) => linked.get(topic) ?? 0,
    onSubscribers() {},
    now: () => time,
    signal: new AbortController().signal,
  })
  return {
    topics,
    linked,
    met,
    skip(seconds: number) {
      time += seconds * 1_000
    },
    async pass(seconds: number) {
      for (let second = 0; second < seconds; second++) {
        time += 1_000
        await rendezvous.tick()
      }
    },
  }
}

test('each of ten thousand topics is looked up before the others that nobody has are again', async () => {
  const { topics, met, pass } = setUp()
  for (let number = 0; number < 10_000; number++) topics.add(`topic-${number}`)
  await pass(10_000)
  expect(new Set(met).size).toBe(10_000)
})

test('a new topic goes first, then the one whose lookup is the longest ago', async () => {
  const { topics, met, pass, skip } = setUp()
  for (const topic of ['a', 'b', 'c']) topics.add(topic)
  await pass(3)
  topics.add('new')
  await pass(1)
  expect(met).toEqual(['a', 'b', 'c', 'new'])
  // Longer than any pause after a first lookup.
  skip(60)
  await pass(4)
  expect(met.slice(4)).toEqual(['a', 'b', 'c', 'new'])
})

test('a topic with enough linked subscribers is not looked up for half a day, and one that was left not at all', async () => {
  const { topics, linked, met, pass } = setUp()
  for (const topic of ['enough', 'left']) topics.add(topic)
  linked.set('enough', 3)
  await pass(2)
  topics.delete('left')
  await pass(7_200)
  expect(met).toEqual(['enough', 'left'])
})
