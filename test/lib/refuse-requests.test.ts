import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { refuseRequests } from '../../src/lib/refuse-requests.ts'

test('refuses one request of a connection, however many a packet contains, and tells whose they are', async () => {
  const flooded: string[] = []
  const refuse = refuseRequests({ text: 'no', onMore: (address) => flooded.push(address) })
  let heads = 0
  const server = createServer((request, response) => {
    response.writeHead = new Proxy(response.writeHead, {
      apply(write, self, args) {
        heads++
        return Reflect.apply(write, self, args)
      },
    })
    refuse(request, response)
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  for (let connection = 1; connection <= 2; connection++) {
    const client = connect(address.port, '127.0.0.1')
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(200))
    const answers = (await client.setEncoding('utf8').toArray()).join('')
    expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 426'])
    expect(heads).toBe(connection)
    expect(flooded).toEqual(Array(connection).fill('127.0.0.1'))
  }
})
