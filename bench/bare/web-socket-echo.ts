import { WebSocketServer } from 'ws'
import { tellPort } from './tell-port.ts'

/** Sends every message back: what a round trip on a WebSocket costs, whatever the messages mean. */

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
server.on('listening', () => tellPort(server))
server.on('connection', (socket) => socket.on('message', (message: Buffer) => socket.send(message)))
