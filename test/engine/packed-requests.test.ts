import { connect } from 'node:net'
import { expect, test } from 'vitest'
import type { P2PEngine } from '../../src/engine/engine.ts'
import { startedCustomEngine } from '../fixtures/custom-engine.ts'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'
import { webSocketUrl } from '../fixtures/raw-peer.ts'

/** A connection from an address of this host, and all that is answered to some bytes. */
async function answersTo(port: number, localAddress: string, bytes: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  socket.setEncoding('utf8').write(bytes)
  let answers = ''
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket
    .on('error', () => undefined)
    .on('data', (text) => {
      answers += text
    })
  await closed
  return answers
}

const engines: Array<[string, () => Promise<P2PEngine>]> = [
  ['custom', () => startedCustomEngine()],
  ['libp2p', () => startedLibp2pEngine()],
]

test.each(engines)('%s engine: who sends a packet of many requests to the port of peers gets no new connection', async (_name, start) => {
  const engine = await start()
  const port = Number(new URL(webSocketUrl(await engine.multiaddrs())).port)
  const request = 'GET / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\n\r\n'
  expect((await answersTo(port, '127.0.2.1', request)).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 426'])
  expect((await answersTo(port, '127.0.2.1', request.repeat(500))).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 426'])
  expect(await answersTo(port, '127.0.2.1', request)).toBe('')
  expect((await answersTo(port, '127.0.2.2', request)).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 426'])
})
