import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { appForTest } from './app-for-test.ts'

test('a publication from a connection that was reset before its address was known, and its repetition, are stored once', async () => {
  const { app, call } = await appForTest()
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('it does not listen on TCP')
  const body = '{"data":"x"}'
  for (let number = 0; number < 20; number++) {
    const key = `key-${number}`
    const socket = connect(address.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(
      `POST /v1/topics/orders/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: ${key}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    socket.resetAndDestroy()
    await once(socket, 'close')
    await expect
      .poll(
        async () =>
          (
            await call('POST', '/v1/topics/orders/messages', {
              raw: body,
              headers: { 'content-type': 'application/json', 'idempotency-key': key },
            })
          ).status,
      )
      .toBe(201)
  }
  expect((await call('GET', '/v1/topics/orders/messages?limit=100')).body.items).toHaveLength(20)
})
