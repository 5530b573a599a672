import { EventEmitter, once } from 'node:events'
import { onTestFinished } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'

type Frame = Record<string, unknown>

/** One connection of the client, of which the test plays the gateway. */
export interface ScriptedConnection {
  readonly socket: WebSocket
  readonly protocols: readonly string[]
  /** The next frame of the client that has this type. Others are passed over. */
  next(type: string): Promise<Frame>
  /** Sends a frame, or the text as it is. */
  send(frame: Frame | string): void
  welcome(limits?: Record<string, number>): void
}

export interface ScriptedGateway {
  readonly url: string
  /** Connections so far. */
  readonly count: number
  /** The next connection that no one has taken. */
  connection(): Promise<ScriptedConnection>
}

/** A gateway that says what the test wants. */
export async function scriptedGateway(): Promise<ScriptedGateway> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    handleProtocols: () => 'peergate.v1.json',
  })
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  const waiting: ScriptedConnection[] = []
  const news = new EventEmitter()
  let count = 0
  server.on('connection', (socket, request) => {
    count++
    waiting.push(scripted(socket, request.headers['sec-websocket-protocol'] ?? ''))
    news.emit('connection')
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on TCP')
  return {
    url: `http://127.0.0.1:${address.port}`,
    get count() {
      return count
    },
    async connection() {
      for (;;) {
        const connection = waiting.shift()
        if (connection !== undefined) return connection
        await once(news, 'connection')
      }
    },
  }
}

function scripted(socket: WebSocket, protocols: string): ScriptedConnection {
  const frames: Frame[] = []
  const news = new EventEmitter()
  socket.on('error', () => {})
  socket.on('message', (data) => {
    frames.push(JSON.parse(String(data)))
    news.emit('frame')
  })
  const send = (frame: Frame | string) => socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  return {
    socket,
    protocols: protocols.split(/, ?/),
    async next(type) {
      for (;;) {
        const frame = frames.shift()
        if (frame?.['type'] === type) return frame
        if (frame === undefined) await once(news, 'frame')
      }
    },
    send,
    welcome: (limits = {}) => send({ type: 'welcome', peerId: 'peer', engine: 'test', cursor: 'log.0', heartbeatMs: 25_000, limits }),
  }
}
