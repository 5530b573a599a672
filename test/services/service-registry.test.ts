import { expect, test } from 'vitest'
import { RequestNotFound, ServiceBusy, ServiceLimit } from '../../src/errors.ts'
import { createServiceRegistry, type ServedRequest, type Server } from '../../src/services/service-registry.ts'

function registry(limits: { maxServiceQueue?: number } = {}) {
  const asked: ServedRequest[] = []
  const cancelled: string[] = []
  const server: Server = { client: 'tok_1', request: (request) => asked.push(request), cancelled: (requestId) => cancelled.push(requestId) }
  const services = createServiceRegistry({
    limits: { maxServicesPerConnection: 10, maxServices: 10, clientSharePercent: 25, maxServiceQueue: 10, ...limits },
  })
  const ask = (data: string, signal = new AbortController().signal, asker = 'tok_2') =>
    services.ask({ from: 'somebody', service: 'work', data: Buffer.from(data), deadline: Date.now() + 5_000 }, { signal, asker })
  return { services, server, asked, cancelled, ask }
}

const texts = (asked: ServedRequest[]) => asked.map(({ data }) => Buffer.from(data).toString())

test('what waits and what is worked on end with one signal: nothing that nobody waits for is given out', async () => {
  const { services, server, asked, cancelled, ask } = registry()
  await services.serve(server, 'work', 1, () => undefined)
  const gone = new AbortController()
  const pending = [ask('one', gone.signal), ask('two', gone.signal)].map((each) => each.catch(() => 'given up'))
  gone.abort(new Error('the link was closed'))
  expect(await Promise.all(pending)).toEqual(['given up', 'given up'])
  expect(texts(asked)).toEqual(['one'])
  expect(cancelled).toEqual(asked.map(({ requestId }) => requestId))
  // The place is free again.
  const next = ask('three')
  expect(texts(asked)).toEqual(['one', 'three'])
  services.reply(server, asked[1]?.requestId ?? '', { data: Buffer.from('done') })
  expect(Buffer.from(await next).toString()).toBe('done')
})

test('only who was asked answers a request', async () => {
  const { services, server, asked, ask } = registry()
  await services.serve(server, 'work', 1, () => undefined)
  const other: Server = { client: 'tok_1', request: () => undefined, cancelled: () => undefined }
  await services.serve(other, 'another', 1, () => undefined)
  const pending = ask('one')
  const requestId = asked[0]?.requestId ?? ''
  expect(() => services.reply(other, requestId, { data: Buffer.from('forged') })).toThrow(RequestNotFound)
  services.reply(server, requestId, { data: Buffer.from('done') })
  expect(Buffer.from(await pending).toString()).toBe('done')
})

test('a full queue refuses, and holds nothing of what it refused', async () => {
  const { services, server, asked, ask } = registry({ maxServiceQueue: 1 })
  await services.serve(server, 'work', 1, () => undefined)
  const [first, second] = [ask('one'), ask('two')]
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  for (let times = 0; times < 5; times++) await expect(ask('more')).rejects.toThrow(ServiceBusy)
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout')).toHaveLength(timers)
  for (const promise of [first, second]) {
    services.reply(server, asked.at(-1)?.requestId ?? '', { data: Buffer.from('done') })
    await promise
  }
})

test('maxServiceQueue: one that asks has its share of it, and others find room', async () => {
  const { services, server, ask } = registry({ maxServiceQueue: 8 })
  await services.serve(server, 'work', 1, () => undefined)
  const controller = new AbortController()
  const outcome = (asker: string) =>
    ask('x', controller.signal, asker).catch((error: unknown) => (error instanceof ServiceBusy ? 'busy' : 'ended'))
  const pending = [outcome('greedy'), outcome('peer one')]
  const greedy = Array.from({ length: 8 }, () => outcome('greedy'))
  const others = Array.from({ length: 2 }, () => outcome('tok_3'))
  controller.abort()
  expect((await Promise.all(greedy)).filter((each) => each === 'busy')).toHaveLength(6)
  expect(await Promise.all(others)).toEqual(['ended', 'ended'])
  await Promise.all(pending)
})

test('those that ask have their turns, however many of one wait', async () => {
  const { services, server, asked, ask } = registry({ maxServiceQueue: 40 })
  await services.serve(server, 'work', 1, () => undefined)
  const none = new AbortController().signal
  const gone = new AbortController()
  const of = (asker: string, count: number) => Array.from({ length: count }, (_, index) => ask(`${asker} ${index}`, none, asker))
  const pending = [...of('greedy', 5), ...of('peer', 2), ask('tok 0', gone.signal, 'tok').catch(() => undefined), ...of('other', 1)]
  gone.abort(new Error('nobody waits any more'))
  for (let answered = 0; answered < 8; answered++) {
    await expect.poll(() => asked.length).toBe(answered + 1)
    services.reply(server, asked[answered]?.requestId ?? '', { data: Buffer.from('done') })
  }
  await Promise.all(pending)
  expect(texts(asked)).toEqual(['greedy 0', 'greedy 1', 'peer 0', 'other 0', 'greedy 2', 'peer 1', 'greedy 3', 'greedy 4'])
})

test('maxServices: a client serves its share of them, over all its connections', async () => {
  const { services, server } = registry()
  const another = { ...server }
  const other = { ...server, client: 'tok_2' }
  await services.serve(other, 'theirs', 1, () => undefined)
  await services.serve(server, 'one', 1, () => undefined)
  await services.serve(another, 'two', 1, () => undefined)
  await expect(services.serve(another, 'three', 1, () => undefined)).rejects.toThrow(ServiceLimit)
  await services.serve(other, 'more', 1, () => undefined)
  services.leave(server)
  await services.serve(another, 'three', 1, () => undefined)
  expect(services.services.toSorted()).toEqual(['more', 'theirs', 'three', 'two'])
})

test('counts the requests of a service while it has a provider', async () => {
  const { services, server, asked, ask } = registry()
  await services.serve(server, 'work', 1, () => undefined)
  const pending = ['one', 'two', 'three'].map((data) => ask(data).catch(() => 'failed'))
  expect(services.provided).toMatchObject([{ service: 'work', providers: 1, concurrency: 1, open: 1, waiting: 2, requests: 1 }])
  services.reply(server, asked[0]?.requestId ?? '', { data: Buffer.from('done') })
  services.reply(server, asked[1]?.requestId ?? '', { error: 'no' })
  expect(services.provided).toMatchObject([{ open: 1, waiting: 0, requests: 3, answers: 1, failures: 1 }])
  services.leave(server)
  await Promise.all(pending)
  expect(services.provided).toEqual([])
  await services.serve({ ...server }, 'work', 4, () => undefined)
  expect(services.provided).toMatchObject([{ concurrency: 4, requests: 0, answers: 0, failures: 0, since: expect.any(Number) }])
})
