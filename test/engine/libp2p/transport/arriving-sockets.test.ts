import { multiaddrConnectionPair } from '@libp2p/utils'
import { expect, test } from 'vitest'
import { withoutPeerId } from '../../../../src/engine/dial/endpoint.ts'
import { createArrivingSockets } from '../../../../src/engine/libp2p/transport/arriving-sockets.ts'

test('a socket that no dial has used is given up when the dial has ended, and those that come later are worked on again', async () => {
  const arriving = createArrivingSockets()
  const [socket] = multiaddrConnectionPair()
  const from = withoutPeerId(socket.remoteAddr)
  let handshakes = 0
  const during = () => arriving.during(socket, async () => void handshakes++)
  const taken = arriving.take(from)
  const [first, second] = [during(), during()]
  await expect(first).rejects.toThrow('no use')
  taken[Symbol.dispose]()
  await expect(second).rejects.toThrow('no use')
  expect(handshakes).toBe(0)
  await during()
  expect(handshakes).toBe(1)
})

test('a dial has the socket that came last, and its handshake is over when the dial is', async () => {
  const arriving = createArrivingSockets()
  const [socket] = multiaddrConnectionPair()
  using taken = arriving.take(withoutPeerId(socket.remoteAddr))
  const signal = AbortSignal.timeout(60_000)
  const used = taken.use(signal, async (one) => one)
  const over = arriving.during(socket, async () => expect.unreachable())
  expect(await used).toBe(socket)
  await over
  const failed = arriving.during(socket, async () => expect.unreachable())
  await expect(taken.use(signal, () => Promise.reject(new Error('no handshake')))).rejects.toThrow('no handshake')
  await expect(failed).rejects.toThrow('no handshake')
})
