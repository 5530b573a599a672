import { execFileSync } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { createQueue } from '../../src/lib/queue.ts'

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

/**
 * A process that writes how many items are still in memory when all but the last ten were taken. Objects are counted in the whole heap, which
 * takes a process of many tests ten seconds or more.
 */
const program = `
import { queryObjects } from 'node:v8'
import { createQueue } from '${pathToFileURL('src/lib/queue.ts').href}'
class Item {}
const queue = createQueue()
for (let number = 0; number < 10; number++) queue.push(new Item())
for (let number = 10; number < 10_000; number++) {
  queue.push(new Item())
  queue.shift()
}
console.log(JSON.stringify([queue.size, queryObjects(Item, { format: 'count' })]))
`

test('a queue that is never empty keeps no item that was taken', () => {
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  const [size, inMemory] = JSON.parse(output)
  expect(size).toBe(10)
  expect(inMemory).toBeGreaterThanOrEqual(10)
  expect(inMemory).toBeLessThanOrEqual(21)
})
