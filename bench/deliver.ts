import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import type { HttpClient } from './http-client.ts'

/** From a publisher at one gateway to a WebSocket subscriber at another. */

export interface Subscriber {
  socket: WebSocket
  /** Arrival time of each message, by its data. */
  arrivals: Map<string, number>
  onArrival: () => void
}

/** Resolves when the subscriber has caught up. */
export async function subscribe(url: string, topic: string): Promise<Subscriber> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream?topic=${topic}`)
  const subscriber: Subscriber = { socket, arrivals: new Map(), onArrival: () => undefined }
  const caughtUp = new Promise<void>((resolve) => {
    socket.on('message', (raw) => {
      const frame = JSON.parse(raw.toString())
      if (frame.type === 'caught-up') resolve()
      if (frame.type !== 'message') return
      subscriber.arrivals.set(frame.message.data, performance.now())
      subscriber.onArrival()
    })
  })
  await once(socket, 'open')
  await caughtUp
  return subscriber
}

/** Has a gateway join a topic; resolves when so many of its neighbours have. */
export async function untilSubscribed(url: string, topic: string, neighbours = 1): Promise<void> {
  await fetch(`${url}/v1/topics/${topic}`, { method: 'PUT' })
  for (;;) {
    const answer = await fetch(`${url}/v1/topics/${topic}`)
    const view: unknown = await answer.json()
    if (Object(view).subscribers >= neighbours) return
    await sleep(100)
  }
}

export interface Delivery {
  topic: string
  /** Number of messages. */
  count: number
  /** Each publishes one message at a time. */
  connections: number
  /** What the data of each message ends with. */
  payload: string
  /** Maximum rate; unlimited by default. */
  perSecond?: number
}

let runs = 0

/**
 * Publishes messages and waits for all at the subscriber. Returns messages a second, and the milliseconds of each.
 * @throws Error when one is missing after 30 s
 */
export async function deliver(client: HttpClient, subscriber: Subscriber, delivery: Delivery) {
  const { topic, count, connections, payload, perSecond = Number.POSITIVE_INFINITY } = delivery
  const name = `run ${runs++}`
  const sent = new Map<string, number>()
  const complete = Promise.withResolvers<void>()
  const timeout = setTimeout(() => complete.reject(new Error(`${name}: ${subscriber.arrivals.size} of ${count} arrived`)), 30_000)
  subscriber.arrivals.clear()
  subscriber.onArrival = () => subscriber.arrivals.size === count && complete.resolve()
  const start = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let number = next++; number < count; number = next++) {
        const due = start + (number / perSecond) * 1_000
        if (due > performance.now()) await sleep(due - performance.now())
        const data = `${name}/${number}/${payload}`
        sent.set(data, performance.now())
        const answer = await client.post(`/v1/topics/${topic}/messages`, JSON.stringify({ data }))
        if (answer.status !== 201) throw new Error(`publishing answered ${answer.status}: ${answer.body}`)
      }
    }),
  )
  await complete.promise
  clearTimeout(timeout)
  const end = Math.max(...subscriber.arrivals.values())
  const latencies = [...sent].map(([data, at]) => (subscriber.arrivals.get(data) ?? Number.NaN) - at)
  return { rate: count / ((end - start) / 1_000), latencies }
}
