import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { WebSocket, WebSocketServer } from 'ws'
import { establish, subprotocol } from '../src/engine/custom/link/establish.ts'
import { createSecureChannel, maxSocketMessageBytes } from '../src/engine/custom/link/secure-channel.ts'
import { createCipherState } from '../src/engine/custom/noise/cipher-state.ts'
import { unbounded } from '../test/fixtures/raw-peer.ts'
import { tellPort } from './bare/tell-port.ts'

/**
 * One end of a link, in its own process: `<link or bare> receive <frames> <bytes>`, or `… send <frames> <bytes>
 * <port>`. `bare` is a WebSocket whose messages go through the same cipher, one message for each frame.
 */

const [kind, role, count = '0', size = '0', port = ''] = process.argv.slice(2)
const frames = Number(count)
const bytes = Number(size)
const frameType = 2
/** Maximum bytes waiting in the sender. */
const window = 4_194_304
const options = { maxPayload: maxSocketMessageBytes, perMessageDeflate: false }
const key = Buffer.alloc(32, 1)
const signal = AbortSignal.timeout(60_000)

let received = 0
let begun = 0

function onFrame(): void {
  if (received === 0) begun = performance.now()
  if (++received === frames) process.send?.({ seconds: (performance.now() - begun) / 1_000 })
}

async function openChannel(socket: WebSocket, role: 'initiator' | 'responder') {
  const established = await establish(socket, { role, seed: randomBytes(32) }, signal)
  const channel = createSecureChannel(unbounded(1_048_576), { socket, established, onFrame, onClose: () => process.exit() })
  channel.resume()
  return channel
}

function receive(): void {
  const server = new WebSocketServer({ ...options, port: 0, host: '127.0.0.1', handleProtocols: () => subprotocol })
  server.on('listening', () => tellPort(server))
  server.on('connection', (socket) => {
    if (kind === 'link') {
      void openChannel(socket, 'responder')
      return
    }
    const cipher = createCipherState(key)
    socket.on('message', (record: Buffer) => {
      cipher.decrypt(record)
      onFrame()
    })
  })
}

async function send(): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, [subprotocol], options)
  await once(socket, 'open')
  const data = randomBytes(bytes)
  const write = kind === 'link' ? await linkWriter(socket, data) : bareWriter(socket, data)
  for (let sent = 0; sent < frames; sent++) {
    write()
    if (sent % 16 === 15) await nextTurn()
    while (socket.bufferedAmount > window) await nextTurn()
  }
}

async function linkWriter(socket: WebSocket, data: Buffer): Promise<() => void> {
  const channel = await openChannel(socket, 'initiator')
  return () => channel.write(frameType, data)
}

function bareWriter(socket: WebSocket, data: Buffer): () => void {
  const cipher = createCipherState(key)
  return () => socket.send(cipher.encrypt(data))
}

process.once('disconnect', () => process.exit())
if (role === 'receive') receive()
else await send()
