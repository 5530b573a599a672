import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'

test('the members of a frame are charged before they are parsed; a refused frame is answered, and the connection stays', async () => {
  const gateway = await memoryGateway(createMemoryNetwork(), { tokenRate: 1, tokenBurst: 500 })
  onTestFinished(() => gateway.stop())
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream`)
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  const answers: Array<{ type: string; code?: string }> = []
  socket.on('message', (raw) => void answers.push(JSON.parse(String(raw))))
  const members = JSON.stringify(Object.fromEntries(Array.from({ length: 90_000 }, (_, number) => [number.toString(36), 1])))
  const publish = (data: string) => socket.send(`{"id":1,"type":"publish","topic":"orders","data":${data},"encoding":"json"}`)
  publish(members)
  await expect.poll(() => answers.at(-1)).toMatchObject({ type: 'error', code: 'rate_limited' })
  publish('{"a":1}')
  await expect.poll(() => answers.at(-1)).toMatchObject({ type: 'published' })
})
