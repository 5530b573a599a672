import { once } from 'node:events'
import { createServer } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { answerWebSocket } from '../../../src/engine/dial/answer-web-socket.ts'
import { openWebSocket } from '../../../src/engine/dial/open-web-socket.ts'
import { freePort } from '../../fixtures/free-port.ts'

/** A server that says nothing, with the number of its clients and how they ended. */
async function silentServer(): Promise<{ port: number; ends: string[]; clients(): number }> {
  const ends: string[] = []
  let clients = 0
  const server = createServer((socket) => {
    clients++
    socket.on('error', ({ message }) => void ends.push(message))
    socket.on('end', () => void ends.push('FIN')).resume()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const place = server.address()
  if (place === null || typeof place === 'string') throw new Error('the server has no port')
  return { port: place.port, ends, clients: () => clients }
}

type Dial = (port: number, localPort: number, signal: AbortSignal) => Promise<unknown>

const open: Dial = (port, localPort, signal) =>
  openWebSocket({ address: multiaddr(`/ip4/127.0.0.1/tcp/${port}/ws`), ip: '127.0.0.1' }, { maxPayload: 1, localPort, signal })
const answer: Dial = (port, localPort, signal) =>
  answerWebSocket({ ip: '127.0.0.1', port }, { localPort, maxPayload: 1, maxFragments: 1, subprotocol: 'test', signal })

/** The system connects on loopback at once; the event comes in the next turn. */
async function untilSystemHasConnected(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => process.nextTick(resolve))
}

test.each([
  ['opens a WebSocket', open],
  ['answers one', answer],
])('a dial from a shared port that %s and is given up ends with RST, which leaves the two ports free for the next one', async (_, dial) => {
  const { port, ends, clients } = await silentServer()
  const localPort = await freePort()
  const untilConnected = () => expect.poll(clients).toBe(2)
  for (const wait of [untilSystemHasConnected, untilConnected]) {
    ends.length = 0
    const giving = new AbortController()
    const dialled = dial(port, localPort, giving.signal)
    dialled.catch(() => undefined)
    await wait()
    giving.abort(new Error('given up'))
    await expect(dialled).rejects.toThrow()
    await expect.poll(() => ends).toEqual([expect.stringContaining('ECONNRESET')])
  }
})
