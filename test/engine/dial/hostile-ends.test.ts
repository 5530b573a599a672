import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { answerWebSocket } from '../../../src/engine/dial/answer-web-socket.ts'
import { openWebSocket } from '../../../src/engine/dial/open-web-socket.ts'
import { freePort } from '../../fixtures/free-port.ts'

const { signal } = new AbortController()

/** A listener that does this with each connection; returns its port. */
async function listener(onConnection: (socket: Socket) => void): Promise<number> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    onConnection(socket)
    socket.resume()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  const place = server.address()
  if (place === null || typeof place === 'string') throw new Error('the server has no port')
  return place.port
}

test('a dial is given up when the listener sends informational responses in place of an upgrade', async () => {
  const port = await listener((socket) => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20_000)))
  const target = { address: multiaddr(`/ip4/127.0.0.1/tcp/${port}/ws`), ip: '127.0.0.1' }
  await expect(openWebSocket(target, { maxPayload: 1, signal })).rejects.toThrow('the answer has too many informational responses')
})

test('an answered dial answers one of many requests that open no WebSocket, and is given up', async () => {
  const texts: string[] = []
  const port = await listener((socket) => {
    socket.on('data', (bytes) => void texts.push(bytes.toString()))
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(20_000))
  })
  const localPort = await freePort()
  const answering = answerWebSocket({ ip: '127.0.0.1', port }, { localPort, maxPayload: 1, maxFragments: 1, subprotocol: 'test', signal })
  await expect(answering).rejects.toThrow()
  expect(texts.join('').match(/HTTP\/1\.1 426/g)?.length ?? 0).toBeLessThan(2)
})
