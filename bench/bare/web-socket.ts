import { setImmediate as nextTurn } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { tellPort } from './tell-port.ts'

/** Sends a number of frames to every socket on request, some in each turn: the minimal fan-out loop. */

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
server.on('listening', () => tellPort(server))

process.on('message', async ({ frames, bytes, together }: { frames: number; bytes: number; together: number }) => {
  const frame = Buffer.alloc(bytes, 'x')
  for (let sent = 0; sent < frames; sent += together) {
    for (const socket of server.clients) {
      for (let index = 0; index < together; index++) socket.send(frame, { binary: false })
    }
    await nextTurn()
  }
})
