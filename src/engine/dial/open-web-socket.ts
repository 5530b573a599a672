import type { ClientRequest } from 'node:http'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'
import { adopt } from '../../lib/adopt-socket.ts'
import { boundAnswer, releaseAnswer } from '../../lib/bound-answer.ts'
import { adoptWebSocket, webSocketBounds } from '../../lib/web-socket-bounds.ts'
import { connectMsOf, createConnectTime } from './connect-time.ts'
import { endpointOf } from './endpoint.ts'
import type { DialTarget } from './gate.ts'
import { cutWithReset, onSharedPort } from './shared-port.ts'

export interface OpenOptions {
  /** Maximum size of a message, in bytes. */
  maxPayload: number
  /** Maximum frames of a message. Default: those of `webSocketBounds`. */
  maxFragments?: number
  subprotocols?: string[]
  /** The local port, which other connections may have too. By default the system chooses one. */
  localPort?: number | undefined
  signal: AbortSignal
}

export interface OpenedWebSocket {
  socket: WebSocket
  /** The local port of its connection, which another connection can share. */
  localPort: number | undefined
}

/**
 * Opens a WebSocket to the judged IP address; TLS and the Host header use the name. The socket is returned paused,
 * since the other end may send first.
 * @throws Error when the socket does not open before the signal fires
 */
export async function openWebSocket({ address, ip }: DialTarget, init: OpenOptions): Promise<OpenedWebSocket> {
  const { maxPayload, maxFragments = webSocketBounds.maxFragments, subprotocols = [], localPort, signal } = init
  const endpoint = endpointOf(address)
  if (endpoint === undefined || (endpoint.form !== 'ws' && endpoint.form !== 'wss'))
    throw new Error(`${address} is not a WebSocket address`)
  signal.throwIfAborted()
  const { form, name, port } = endpoint
  const servername = isIP(name) === 0 ? name : ''
  const url = `${form}://${isIP(name) === 6 ? `[${name}]` : name}:${port}/`
  const from = { host: ip, port, ...onSharedPort(ip, localPort) }
  let wire: Socket | undefined
  const options = {
    ...webSocketBounds,
    maxPayload,
    maxFragments,
    // The socket connects to the judged address, whatever host the URL names.
    createConnection: () => {
      wire = adopt(form === 'wss' ? connectTls({ ...from, servername }) : connectTcp(from))
      return wire
    },
    finishRequest: (request: ClientRequest) => void boundAnswer(request).end(),
  }
  const socket = adoptWebSocket(new WebSocket(url, subprotocols, options))
  const opened = Promise.withResolvers<void>()
  const { terminate } = socket
  socket.terminate = () => {
    if (localPort !== undefined && wire !== undefined) cutWithReset(wire)
    terminate.call(socket)
  }
  const cut = () => socket.terminate()
  // One that the other end opens at the same moment has the whole time.
  const time = createConnectTime(localPort === undefined ? connectMsOf(ip) : undefined, (reason) => {
    opened.reject(reason)
    cut()
  })
  wire?.once('connect', time.end)
  socket.once('open', () => {
    socket.pause()
    if (wire !== undefined) releaseAnswer(wire)
    opened.resolve()
  })
  socket.once('error', opened.reject)
  signal.addEventListener('abort', cut)
  try {
    await opened.promise
    return { socket, localPort: wire?.localPort }
  } finally {
    time.end()
    socket.off('error', opened.reject)
    signal.removeEventListener('abort', cut)
  }
}
