import { queryObjects } from 'node:v8'
import { expect, test } from 'vitest'
import { createQueue } from '../../src/lib/queue.ts'

class Item {
  readonly number: number
  constructor(number: number) {
    this.number = number
  }
}

test('items come out in the order in which they went in', () => {
  const queue = createQueue<number>()
  expect(queue.shift()).toBeUndefined()
  const taken: Array<number | undefined> = []
  for (let number = 0; number < 100; number++) {
    queue.push(number)
    if (number % 3 !== 0) taken.push(queue.shift())
  }
  expect(queue.size).toBe(34)
  while (queue.size > 0) taken.push(queue.shift())
  expect(taken).toEqual(Array.from({ length: 100 }, (_, number) => number))
  expect([queue.shift(), queue.size]).toEqual([undefined, 0])
})

test('a queue that is never empty keeps no item that was taken', () => {
  const queue = createQueue<Item>()
  for (let number = 0; number < 10; number++) queue.push(new Item(number))
  for (let number = 10; number < 10_000; number++) {
    queue.push(new Item(number))
    queue.shift()
  }
  expect(queryObjects(Item, { format: 'count' })).toBeLessThanOrEqual(21)
  expect(queue.size).toBe(10)
})
