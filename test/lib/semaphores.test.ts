import { expect, test } from 'vitest'
import { createSemaphores } from '../../src/lib/semaphores.ts'

const { signal } = new AbortController()

test('each name has places and a queue of its own, and is forgotten with its last one', async () => {
  const semaphores = createSemaphores({ max: 1, maxWaiting: 1 })
  const first = await semaphores.take('one', signal)
  const other = await semaphores.take('other', signal)
  const gone = new AbortController()
  const waiting = semaphores.take('one', gone.signal)
  expect(await semaphores.take('one', signal)).toBeUndefined()
  expect(semaphores.size).toBe(2)
  other?.[Symbol.dispose]()
  expect(semaphores.size).toBe(1)
  gone.abort(new Error('gone'))
  await expect(waiting).rejects.toThrow('gone')
  const next = semaphores.take('one', signal)
  first?.[Symbol.dispose]()
  expect(semaphores.size).toBe(1)
  const second = await next
  second?.[Symbol.dispose]()
  expect(semaphores.size).toBe(0)
})

test('a name that is full is not begun anew', async () => {
  const semaphores = createSemaphores({ max: 1, maxWaiting: 0 })
  using _ = await semaphores.take('one', signal)
  expect(await semaphores.take('one', signal)).toBeUndefined()
  expect(await semaphores.take('one', signal)).toBeUndefined()
  expect(semaphores.size).toBe(1)
})
