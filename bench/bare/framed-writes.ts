import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { tellPort } from './tell-port.ts'

/**
 * Writes a number of WebSocket frames to every socket on request, some with each call: bytes that were framed before,
 * to the TCP socket itself. A server in Node.js cannot fan out with less.
 */

/** RFC 6455 §1.3 */
const acceptSuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

const sockets = new Set<Duplex>()
const server = createServer()
server.on('upgrade', ({ headers }, socket) => {
  const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${acceptSuffix}`).digest('base64')
  const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n\r\n`)
  socket.on('error', () => sockets.delete(socket))
  sockets.add(socket)
})
server.listen(0, '127.0.0.1', () => tellPort(server))

process.on('message', async ({ frames, bytes, together }: { frames: number; bytes: number; together: number }) => {
  const framed = Buffer.concat(Array<Buffer>(together).fill(textFrame(bytes)))
  for (let sent = 0; sent < frames; sent += together) {
    for (const socket of sockets) socket.write(framed)
    await nextTurn()
  }
})

/** A whole, unmasked frame with so many bytes of text, at most 65,535 (RFC 6455 §5.2). */
function textFrame(bytes: number): Buffer {
  const head = bytes < 126 ? Buffer.from([0x81, bytes]) : Buffer.from([0x81, 126, bytes >> 8, bytes & 0xff])
  return Buffer.concat([head, Buffer.alloc(bytes, 'x')])
}
