import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { adoptWebSocket, adoptWebSocketsOf, webSocketBounds } from '../../src/lib/web-socket-bounds.ts'

/** Two ends, the first of which the program has accepted. */
async function openPair(): Promise<[WebSocket, WebSocket]> {
  const server = adoptWebSocketsOf(new WebSocketServer({ ...webSocketBounds, host: '127.0.0.1', port: 0 }))
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const other = new WebSocket(`ws://127.0.0.1:${address.port}`)
  onTestFinished(() => other.terminate())
  other.on('error', () => undefined)
  const [[accepted]] = await Promise.all([once(server, 'connection'), once(other, 'open')])
  return [accepted, other]
}

test.each(['ping', 'pong'] as const)('a WebSocket that is sent one %s after another is cut, one that is sent some is not', async (kind) => {
  const [honest, some] = await openPair()
  for (let count = 0; count < 50; count++) some[kind]()
  some.send('here')
  await once(honest, 'message')
  expect(honest.readyState).toBe(honest.OPEN)
  const [hostile, many] = await openPair()
  const closed = once(hostile, 'close')
  for (let count = 0; count < 20_000 && many.readyState === many.OPEN; count++) many[kind](undefined, undefined, () => undefined)
  await closed
})

test('a WebSocket that was dialled is held to the same', async () => {
  const [other, dialled] = await openPair()
  adoptWebSocket(dialled)
  const closed = once(dialled, 'close')
  for (let count = 0; count < 20_000; count++) other.pong(undefined, undefined, () => undefined)
  await closed
})

test('a message of more frames than allowed ends its WebSocket', async () => {
  const [hostile, many] = await openPair()
  const closed = new Promise((resolve) => hostile.once('close', resolve))
  for (let count = 0; count <= webSocketBounds.maxFragments; count++) many.send('', { fin: false })
  await closed
})

const src = fileURLToPath(new URL('../../src', import.meta.url))
/** Where WebSockets come to be; the plugin of the app makes a server of its own. */
const births = /\bnew (WebSocket|WebSocketServer)\(|register\(websocket/

test('every place of the program that makes WebSockets bounds them', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  const making = files.filter((name) => births.test(readFileSync(join(src, name), 'utf8')))
  expect(making.length).toBeGreaterThanOrEqual(4)
  const forgetful = making.filter((name) => {
    const text = readFileSync(join(src, name), 'utf8')
    return !/\badoptWebSocket(sOf)?\(/.test(text) || !text.includes('...webSocketBounds')
  })
  expect(forgetful).toEqual([])
})
