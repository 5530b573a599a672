import { expect, test } from 'vitest'
import { ServiceBusy } from '../../src/errors.ts'
import { createServiceDesk, type ServedRequest, type Server } from '../../src/services/service-desk.ts'

function desk(limits: { maxServiceQueue?: number } = {}) {
  const asked: ServedRequest[] = []
  const cancelled: string[] = []
  const server: Server = { request: (request) => asked.push(request), cancelled: (requestId) => cancelled.push(requestId) }
  const services = createServiceDesk(
    { limits: { maxServicesPerConnection: 10, maxServiceQueue: 10, ...limits } },
    { onChange: async () => undefined },
  )
  const ask = (data: string, signal = new AbortController().signal) =>
    services.ask({ from: 'somebody', service: 'work', data: Buffer.from(data), deadline: Date.now() + 5_000 }, { signal })
  return { services, server, asked, cancelled, ask }
}

const texts = (asked: ServedRequest[]) => asked.map(({ data }) => Buffer.from(data).toString())

test('what waits and what is worked on end with one signal: nothing that nobody waits for is given out', async () => {
  const { services, server, asked, cancelled, ask } = desk()
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

test('a full queue refuses, and holds nothing of what it refused', async () => {
  const { services, server, asked, ask } = desk({ maxServiceQueue: 1 })
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
