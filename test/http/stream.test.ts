import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { ConnectionLimit } from '../../src/errors.ts'
import { type AppForTest, appForTest } from './app-for-test.ts'

function portOf({ app }: AppForTest): number {
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return address.port
}

/** Opens a stream; rejects with the status and code of a refusal. */
async function open(gateway: AppForTest, query = '', protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${portOf(gateway)}/v1/stream${query}`, protocols)
  const refused = new Promise<never>((_, reject) => {
    socket.once('unexpected-response', (_request, response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => reject(new Error(`${response.statusCode} ${JSON.parse(text).code}`)))
    })
  })
  await Promise.race([once(socket, 'open'), refused])
  return socket
}

/** Sends a request as it is; answers everything that comes back until the connection ends. */
async function raw(gateway: AppForTest, lines: string[]): Promise<string> {
  const socket = connect(portOf(gateway), '127.0.0.1')
  socket.setEncoding('utf8')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  await once(socket, 'close')
  return text
}

test('tells a plain GET how to open a stream', async () => {
  const { call } = await appForTest()
  const answer = await call('GET', '/v1/stream?topic=orders')
  expect(answer).toMatchObject({
    status: 426,
    headers: { upgrade: 'websocket' },
    body: { code: 'upgrade_required', detail: expect.stringContaining('ws://') },
  })
})

test('hands an upgraded socket over at once, with what the query asks for', async () => {
  const gateway = await appForTest()
  await open(gateway, '?topic=orders&topic=a.*&after=earliest&encoding=base64')
  await open(gateway)
  expect(gateway.accepted.map(({ query: { topics, after, encoding } }) => ({ topics, after, encoding }))).toEqual([
    { topics: ['orders', 'a.*'], after: 'earliest', encoding: 'base64' },
    { topics: [], after: undefined, encoding: undefined },
  ])
  expect(gateway.accepted[0]?.socket.readyState).toBe(WebSocket.OPEN)
})

test('loses no frame that is sent right behind the upgrade', async () => {
  const frames: string[] = []
  const gateway = await appForTest({
    components: {
      stream: {
        admit: () => undefined,
        refuse: () => undefined,
        acceptEvents: async () => undefined,
        acceptDurable: () => undefined,
        accept: (socket) => socket.on('message', (frame) => frames.push(frame.toString())),
      },
    },
  })
  const socket = new WebSocket(`ws://127.0.0.1:${portOf(gateway)}/v1/stream`)
  socket.once('open', () => socket.send('first'))
  await expect.poll(() => frames).toEqual(['first'])
})

test.each([
  [[], ''],
  [['peergate.v1.json'], 'peergate.v1.json'],
  [['peergate.v9.json', 'peergate.v1.json'], 'peergate.v1.json'],
])('of the subprotocols %j it speaks %j', async (offered, spoken) => {
  const gateway = await appForTest()
  expect((await open(gateway, '', offered)).protocol).toBe(spoken)
})

test.each([
  ['', ['peergate.v2.json'], '400 invalid_request'],
  ['', ['graphql-ws'], '400 invalid_request'],
  ['?topics=orders', [], '400 invalid_request'],
  ['?topic=', [], '400 invalid_topic'],
  ['?encoding=hex', [], '400 invalid_request'],
  ['?topic=%ff', [], '400 invalid_request'],
])('refuses %j with the subprotocols %j before the upgrade: %s', async (query, protocols, refusal) => {
  const gateway = await appForTest()
  await expect(open(gateway, query, protocols)).rejects.toThrow(refusal)
  expect(gateway.accepted).toEqual([])
})

test('refuses before the upgrade when the stream admits no more', async () => {
  const gateway = await appForTest({
    components: {
      stream: {
        refuse: () => undefined,
        admit() {
          throw new ConnectionLimit('full')
        },
        accept: () => undefined,
        acceptEvents: async () => undefined,
        acceptDurable: () => undefined,
      },
    },
  })
  await expect(open(gateway)).rejects.toThrow('503 connection_limit')
})

const handshake = ['Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket']
test.each([
  ['GET /v1/stream HTTP/1.1', ['Sec-WebSocket-Version: 8', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='], '426', 'upgrade_required'],
  ['GET /v1/stream HTTP/1.1', ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: short'], '400', 'invalid_request'],
  ['GET /v1/stream HTTP/1.1', ['Sec-WebSocket-Version: 13'], '400', 'invalid_request'],
  ['POST /v1/stream HTTP/1.1', ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='], '405', 'method_not_allowed'],
  [
    'GET /v1/streams HTTP/1.1',
    ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Connection: close'],
    '404',
    'route_not_found',
  ],
])('answers a handshake that is none (%s, %j) with %s', async (line, headers, status, code) => {
  const gateway = await appForTest()
  const answer = await raw(gateway, [line, ...handshake, ...headers])
  expect(answer).toContain(`HTTP/1.1 ${status}`)
  expect(answer).toContain(`"code":"${code}"`)
  expect(gateway.accepted).toEqual([])
})

test('serves clients that offer another upgrade, in HTTP/1.1', async () => {
  const gateway = await appForTest()
  const headers = [
    'Host: localhost',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA',
    'Connection: close',
  ]
  expect(await raw(gateway, ['GET /v1/node HTTP/1.1', ...headers])).toContain('HTTP/1.1 200')
  expect(await raw(gateway, ['GET /v1/stream HTTP/1.1', ...headers])).toContain('HTTP/1.1 426')
})

test('a stream that fails as it is opened is closed with 1011, whatever its client says after that', async () => {
  const fails = () => {
    throw new Error('the stream can not take it')
  }
  const stream = {
    admit: () => undefined,
    accept: fails,
    refuse: fails,
    acceptEvents: async () => undefined,
    acceptDurable: () => undefined,
  }
  const gateway = await appForTest({ components: { stream } })
  const socket = connect(portOf(gateway), '127.0.0.1')
  const received: Buffer[] = []
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => received.push(chunk))
  const upgrade = `GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`
  // A frame with a reserved opcode, in one packet with the upgrade.
  socket.write(Buffer.concat([Buffer.from(upgrade), Buffer.from([0x83, 0x00])]))
  await once(socket, 'close')
  const bytes = Buffer.concat(received)
  expect(bytes.toString('latin1')).toMatch(/^HTTP\/1\.1 101 /)
  expect(bytes.includes(Buffer.from([0x88, 0x02, 1_011 >> 8, 1_011 & 0xff]))).toBe(true)
  await expect.poll(() => gateway.app.websocketServer.clients.size).toBe(0)
})
