import { once } from 'node:events'
import { WebSocket } from 'ws'
import { startGateway } from '../test/fixtures/gateway-process.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import { temporaryDirectory } from './temporary-directory.ts'
import { maxUnacked, payload, type WorkQueue } from './work-queue.ts'

const perRequest = 500

interface OnFrame {
  got(id: string, worker: WebSocket): void
  acked?(): void
}

/** A consumer of a gateway, whose workers have a WebSocket each. */
export async function openGatewayQueue(resources: AsyncDisposableStack): Promise<WorkQueue> {
  const gateway = await startGateway(benchEnvironment(await temporaryDirectory(resources), 'custom'))
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  const client = resources.adopt(createHttpClient(gateway.url, 1), (opened) => opened.close())
  const headers = { 'content-type': 'application/json' }
  const body = JSON.stringify({ topics: ['bench'] })
  const answer = await fetch(`${gateway.url}/v1/consumers/bench`, { method: 'PUT', headers, body })
  if (!answer.ok) throw new Error(`the consumer was answered ${answer.status}: ${await answer.text()}`)
  let got = Promise.withResolvers<void>()
  const join = () => work(gateway.url, { got: () => got.resolve() })
  let holder: WebSocket | undefined
  resources.defer(() => holder?.terminate())

  return {
    label: 'the gateway, SQLite',
    redelivery: '',
    redeliveries: 100,
    async publish(count) {
      for (let left = count; left > 0; left -= perRequest) {
        const batch = Array.from({ length: Math.min(left, perRequest) }, () => ({ topic: 'bench', data: payload }))
        const { status, body } = await client.post('/v1/messages', JSON.stringify({ messages: batch }))
        if (status !== 201) throw new Error(`publishing answered ${status}: ${body}`)
      }
    },
    async settle(workers, messages) {
      const done = Promise.withResolvers<void>()
      let left = messages
      const acked = () => --left === 0 && done.resolve()
      const sockets = await Promise.all(Array.from({ length: workers }, () => work(gateway.url, { got: ack, acked })))
      await done.promise
      for (const socket of sockets) socket.terminate()
    },
    async redeliver() {
      if (holder === undefined) {
        holder = await join()
        await got.promise
      }
      const next = await join()
      got = Promise.withResolvers()
      const leftAt = performance.now()
      holder.terminate()
      await got.promise
      holder = next
      return performance.now() - leftAt
    },
  }
}

/** A worker that calls `got` for each message and `acked` for each acknowledgement that was answered. */
async function work(url: string, on: OnFrame): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream`, { perMessageDeflate: false })
  socket.on('message', (raw) => {
    const frame = JSON.parse(raw.toString())
    if (frame.type === 'message') on.got(frame.message.id, socket)
    else if (frame.type === 'acked') on.acked?.()
    else if (frame.type === 'error') throw new Error(`the gateway answered ${frame.code}: ${frame.detail}`)
  })
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'subscribe', consumer: 'bench', maxUnacked }))
  return socket
}

function ack(id: string, worker: WebSocket): void {
  worker.send(JSON.stringify({ type: 'ack', id: 0, consumer: 'bench', ids: [id] }))
}
