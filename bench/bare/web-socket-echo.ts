import { WebSocketServer } from 'ws'
import { tellPort } from './tell-port.ts'

/** Echoes every message: the cost of a WebSocket round trip, without any processing. */

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
server.on('listening', () => tellPort(server))
server.on('connection', (socket) => socket.on('message', (message: Buffer) => socket.send(message)))
