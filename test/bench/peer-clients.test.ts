import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createMqttClient } from '../../bench/peers/mqtt-client.ts'
import { createNatsClient } from '../../bench/peers/nats-client.ts'
import { createReplies } from '../../bench/peers/redis-replies.ts'

/** A server that answers what it receives, byte by byte. @returns its port */
async function serve(answer: (text: string) => string): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      for (const byte of Buffer.from(answer(chunk.toString('latin1')), 'latin1')) socket.write(Buffer.from([byte]))
    })
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

test('a request of NATS is resolved with its own answer', async () => {
  const port = await serve((text) => {
    const asked = [...text.matchAll(/PUB echo (\S+) \d+\r\n(\w+)\r\n/g)].toReversed()
    return asked.map(([, reply, data = '']) => `MSG ${reply} 0 ${data.length}\r\n${data}\r\n`).join('')
  })
  const client = createNatsClient(port)
  onTestFinished(() => client.close())
  expect(await Promise.all(['one', 'second', 'third'].map((data) => client.request('echo', data)))).toEqual(['one', 'second', 'third'])
})

test('replies of Redis are cut at their ends, however they are split', () => {
  const replies = ['+OK\r\n', '$5\r\na\r\nbc\r\n', '*2\r\n$-1\r\n*1\r\n:12\r\n', '$-1\r\n', '-ERR no\r\n']
  const bytes = Buffer.from(replies.join(''))
  for (let size = 1; size <= bytes.length; size++) {
    const cut: string[] = []
    const take = createReplies((reply) => cut.push(reply.toString()))
    for (let at = 0; at < bytes.length; at += size) take(bytes.subarray(at, at + size))
    expect(cut).toEqual(replies)
  }
})

test('a publication with MQTT is acknowledged by the packet with its id', async () => {
  const acks: string[] = []
  const port = await serve((text) => {
    if (text.startsWith('\x10')) return '\x20\x02\x00\x00'
    // The topic, the id of the packet, and its data.
    for (const [, id = ''] of text.matchAll(/t(..)data/gs)) acks.unshift(`\x40\x02${id}`)
    return acks.length === 2 ? acks.join('') : ''
  })
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  const client = await createMqttClient(socket)
  await Promise.all([client.publish('t', 'data'), client.publish('t', 'data')])
  expect(acks).toEqual(['\x40\x02\x00\x02', '\x40\x02\x00\x01'])
})
