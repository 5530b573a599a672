import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { WebSocket, WebSocketServer } from 'ws'
import { establish, subprotocol } from '../src/engine/custom/link/establish.ts'
import { createSecureChannel, maxSocketMessageBytes } from '../src/engine/custom/link/secure-channel.ts'
import { createCipherState } from '../src/engine/custom/noise/cipher-state.ts'
import { unbounded } from '../test/fixtures/raw-peer.ts'
import { tellPort } from './bare/tell-port.ts'

/**
 * One end of a link, in its own process: `<link, bare or tls> receive <frames> <bytes>`, or `… send <frames> <bytes>
 * <port>`. `bare` is a WebSocket whose messages go through the same cipher, one message for each frame. `tls` is TLS 1.3
 * of Node.js with that cipher, one write for each frame.
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
/** A key that both know takes the place of a certificate. */
const tlsOptions = { minVersion: 'TLSv1.3', ciphers: 'TLS_CHACHA20_POLY1305_SHA256' } as const

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

/** A stream has no frames: it counts those whose last byte has come. */
function receiveTls(): void {
  let missing = bytes
  const server = createTlsServer({ ...tlsOptions, pskCallback: () => key }, (socket) => {
    socket.on('data', (chunk) => {
      for (missing -= chunk.length; missing <= 0; missing += bytes) onFrame()
    })
  })
  server.listen(0, '127.0.0.1', () => tellPort(server))
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

interface Writer {
  write(): void
  /** Bytes that wait in this process. */
  waiting(): number
}

async function send(): Promise<void> {
  const data = randomBytes(bytes)
  const { write, waiting } = await (kind === 'tls' ? tlsWriter(data) : webSocketWriter(data))
  for (let sent = 0; sent < frames; sent++) {
    write()
    if (sent % 16 === 15) await nextTurn()
    while (waiting() > window) await nextTurn()
  }
}

async function webSocketWriter(data: Buffer): Promise<Writer> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, [subprotocol], options)
  await once(socket, 'open')
  return { write: kind === 'link' ? await linkWriter(socket, data) : bareWriter(socket, data), waiting: () => socket.bufferedAmount }
}

async function linkWriter(socket: WebSocket, data: Buffer): Promise<() => void> {
  const channel = await openChannel(socket, 'initiator')
  return () => channel.write(frameType, data)
}

function bareWriter(socket: WebSocket, data: Buffer): () => void {
  const cipher = createCipherState(key)
  return () => socket.send(cipher.encrypt(data))
}

async function tlsWriter(data: Buffer): Promise<Writer> {
  const pskCallback = () => ({ psk: key, identity: 'bench' })
  const socket = connectTls({ ...tlsOptions, host: '127.0.0.1', port: Number(port), pskCallback, checkServerIdentity: () => undefined })
  await once(socket, 'secureConnect')
  return { write: () => void socket.write(data), waiting: () => socket.writableLength }
}

process.once('disconnect', () => process.exit())
if (role === 'send') await send()
else if (kind === 'tls') receiveTls()
else receive()
