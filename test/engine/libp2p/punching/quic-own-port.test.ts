import { createSocket, type RemoteInfo, Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Connection, Libp2p, Listener } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { DialGate } from '../../../../src/engine/dial/gate.ts'
import { createSignsOfLife } from '../../../../src/engine/libp2p/signs-of-life.ts'
import type { PortOptions } from '../../../../src/engine/libp2p/transport/port-options.ts'
import { createQuicOwnPort } from '../../../../src/engine/libp2p/transport/quic-own-port.ts'
import { quicTransport } from '../../../../src/engine/libp2p/transport/quic-transport.ts'
import { openUdpPort } from '../../../../src/engine/libp2p/transport/udp-port.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { createAllowances } from '../../../../src/engine/reach/allowance.ts'
import { defaultLimits } from '../../../../src/limits.ts'

const openGate: DialGate = {
  dial: async (address, _signal, connect) => await connect({ address, ip: address.getComponents()[0]?.value ?? '' }),
  dialThrough: async (_address, _ends, open) => await open(),
}

const unbounded = { allowance: undefined }

interface Place {
  node: Libp2p
  port: ReturnType<typeof createQuicOwnPort>
  fromOwnPort: Connection[]
  dial(address: Multiaddr, options?: PortOptions & { signal?: AbortSignal }): Promise<Connection>
}

/** A node that listens, and dials as one behind a router, also on loopback. */
async function started(host = '/ip4/0.0.0.0', { maxFlows = 10, now = () => performance.now(), needsHoles = true } = {}): Promise<Place> {
  const port = createQuicOwnPort({ maxFlows }, { isDialled: () => true, now })
  const fromOwnPort: Connection[] = []
  const node = await createLibp2p({
    addresses: { listen: [`${host}/udp/0/quic-v1`] },
    transports: [
      quicTransport(
        { limits: defaultLimits },
        {
          gate: openGate,
          reached: createLimitsReached(),
          signsOfLife: createSignsOfLife(),
          ownPort: port,
          needsHoles: () => needsHoles,
          onFromOwnPort: (connection) => fromOwnPort.push(connection),
        },
      ),
    ],
    connectionMonitor: { enabled: false },
  })
  onTestFinished(() => node.stop())
  const { transportManager } = Reflect.get(node, 'components')
  return {
    node,
    port,
    fromOwnPort,
    dial: async (address, options = {}) => await transportManager.dial(address, { signal: AbortSignal.timeout(20_000), ...options }),
  }
}

function listensAt({ node }: Place): Multiaddr {
  const address = node.getMultiaddrs()[0]
  if (address === undefined) throw new Error('the node does not listen')
  return address
}

const withoutId = (address: Multiaddr) => address.toString().replace(/\/p2p\/.*/, '')

/** How one node sees another, whose connections have come to it. */
async function seen(by: Place, of: Place): Promise<string[]> {
  await expect.poll(() => by.node.getConnections(of.node.peerId)).not.toEqual([])
  return by.node.getConnections(of.node.peerId).map(({ remoteAddr }) => withoutId(remoteAddr))
}

async function opened(place: Place, peer: Place): Promise<Connection> {
  const { promise, resolve } = Promise.withResolvers<Connection>()
  place.node.addEventListener('connection:open', ({ detail }) => {
    if (detail.remotePeer.equals(peer.node.peerId)) resolve(detail)
  })
  return await promise
}

test.each(['/ip4/0.0.0.0', '/ip6/::'])(
  'on %s two nodes connect at the ports by which a third one sees them, while one sends packets and the other dials',
  async (host) => {
    const [observer, client, server] = [await started(host), await started(host), await started(host)]
    await client.dial(listensAt(observer))
    await server.dial(listensAt(observer))
    const [clientAt = '', serverAt = ''] = [...(await seen(observer, client)), ...(await seen(observer, server))]
    const let_in = server.dial(multiaddr(clientAt), { initiator: false, opened: opened(server, client) })
    const dialled = await client.dial(multiaddr(`${serverAt}/p2p/${server.node.peerId}`), { initiator: true })
    const taken = await let_in
    expect([dialled, taken].map(({ direction, remoteAddr }) => [direction, withoutId(remoteAddr)])).toEqual([
      ['outbound', serverAt],
      ['inbound', clientAt],
    ])
    expect(client.fromOwnPort).toContain(dialled)
    await server.node.handle('/echo', async (stream) => {
      for await (const part of stream) if (!stream.send(part)) await stream.onDrain()
      await stream.close()
    })
    const stream = await dialled.newStream('/echo')
    const sent = Buffer.alloc(500_000, 'a message')
    void (async () => {
      for (let at = 0; at < sent.length; at += 50_000) if (!stream.send(sent.subarray(at, at + 50_000))) await stream.onDrain()
      await stream.close()
    })()
    const heard: Uint8Array[] = []
    for await (const part of stream) heard.push(part.subarray())
    expect(Buffer.concat(heard).equals(sent)).toBe(true)
  },
)

test('two connections leave from the port for others to tell where they see it, and the rest from others', async () => {
  const [client, ...others] = [await started(), await started(), await started(), await started()]
  for (const other of others) await client.dial(listensAt(other))
  expect(client.fromOwnPort).toHaveLength(2)
  const ports = new Set((await Promise.all(others.map((other) => seen(other, client)))).flat())
  expect(ports.size).toBe(2)
  await client.fromOwnPort[0]?.close()
  await vi.waitFor(
    async () => {
      await client.dial(listensAt(others[0] ?? client))
      expect(client.fromOwnPort).toHaveLength(3)
    },
    { timeout: 20_000, interval: 500 },
  )
})

test('a dial for which the port has no way takes no place of those that others tell it by', async () => {
  const [client, one, other, { at }] = [await started(undefined, { maxFlows: 1 }), await started(), await started(), await outsider()]
  const ended = new AbortController()
  const waiting = client.port.letIn(at, { opened: new Promise(() => undefined), signal: ended.signal, ...unbounded })
  waiting.catch(() => undefined)
  for (const peer of [one, other]) await client.dial(listensAt(peer))
  expect(client.fromOwnPort).toEqual([])
  ended.abort(new Error('given up'))
  await expect(waiting).rejects.toThrow('given up')
  await client.dial(listensAt(one))
  expect(client.fromOwnPort).toHaveLength(1)
})

test('after a dial from the port has failed, others leave elsewhere for a minute', async () => {
  let time = 0
  const [client, other] = [await started(undefined, { now: () => time }), await started()]
  const stranger = withoutId(listensAt(other))
  await expect(client.dial(multiaddr(`${stranger}/p2p/${client.node.peerId}`))).rejects.toThrow('connected to')
  time = 59_999
  await client.dial(listensAt(other))
  expect(client.fromOwnPort).toEqual([])
  time = 60_000
  await client.dial(listensAt(other))
  expect(client.fromOwnPort).toHaveLength(1)
})

test('of a node that can be dialled only dials that punch holes leave from the port', async () => {
  const [client, one, other] = [await started(undefined, { needsHoles: false }), await started(), await started()]
  await client.dial(listensAt(one))
  expect(client.fromOwnPort).toEqual([])
  await client.dial(listensAt(other), { initiator: true })
  expect(client.fromOwnPort).toHaveLength(1)
})

test('a punch for which the port has no way left fails, rather than leave from a port that the peer does not expect', async () => {
  const [client, other] = [await started(undefined, { maxFlows: 0 }), await started()]
  await expect(client.dial(listensAt(other), { initiator: true })).rejects.toThrow('no packets can be sent')
})

test('a node that stops tells the peers to which connections leave from the port', async () => {
  const [client, other] = [await started(), await started()]
  await client.dial(listensAt(other))
  await seen(other, client)
  await client.node.stop()
  // Without being told, it takes 15 seconds of silence.
  await expect.poll(() => other.node.getConnections(client.node.peerId)).toEqual([])
})

test('a dial-back leaves from a port that the peer has not sent to', async () => {
  const [client, other] = [await started(), await started()]
  await client.dial(listensAt(other), { fromAnyPort: true })
  expect(client.fromOwnPort).toEqual([])
})

/** A socket of another host, and the packets that come to it. */
async function outsider(ip = '127.0.0.1'): Promise<{ socket: Socket; at: { ip: string; port: number }; heard: Buffer[] }> {
  const socket = createSocket('udp4')
  const heard: Buffer[] = []
  socket.on('message', (packet) => heard.push(packet))
  const listening = once(socket, 'listening')
  socket.bind(0, ip)
  await listening
  onTestFinished(() => void socket.close())
  return { socket, at: { ip, port: socket.address().port }, heard }
}

test.each([true, false])('a dial that is given up ends before its handshake (from any port: %s)', async (fromAnyPort) => {
  const [client, { socket, at }] = [await started(), await outsider()]
  const ended = new AbortController()
  socket.once('message', () => ended.abort(new Error('given up')))
  const dialled = client.dial(multiaddr(`/ip4/${at.ip}/udp/${at.port}/quic-v1`), { fromAnyPort, signal: ended.signal })
  await expect(dialled).rejects.toThrow('given up')
})

test('a dial that was given up says nothing about the port', async () => {
  const [client, other, { socket, at }] = [await started(), await started(), await outsider()]
  const ended = new AbortController()
  socket.once('message', () => ended.abort(new Error('given up')))
  await expect(client.dial(multiaddr(`/ip4/${at.ip}/udp/${at.port}/quic-v1`), { signal: ended.signal })).rejects.toThrow('given up')
  await client.dial(listensAt(other))
  expect(client.fromOwnPort).toHaveLength(1)
})

test('one that is let in, and does not come, is sent few and small packets', async () => {
  const place = await started()
  const { at, heard } = await outsider()
  const ended = new AbortController()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const waiting = place.port.letIn(at, { opened: new Promise(() => undefined), signal: ended.signal, ...unbounded })
  await vi.waitFor(
    async () => {
      await vi.advanceTimersByTimeAsync(10_000)
      expect(heard).toHaveLength(50)
    },
    { timeout: 20_000 },
  )
  expect(new Set(heard.map(({ length }) => length))).toEqual(new Set([16]))
  ended.abort(new Error('given up'))
  await expect(waiting).rejects.toThrow('given up')
})

test('an address that does not answer is sent three times as many bytes as the peer has sent that has named it', async () => {
  const place = await started()
  const [dialled, letIn] = [await outsider(), await outsider()]
  const allowance = createAllowances(() => 500)({})
  const ended = new AbortController()
  const options = { allowance, opened: new Promise<Connection>(() => undefined), signal: ended.signal }
  const at = (port: number) => multiaddr(`/ip4/127.0.0.1/udp/${port}/quic-v1/p2p/${place.node.peerId}`)
  const dials = [place.dial(at(dialled.at.port), { ...options, initiator: true })]
  await expect.poll(() => dialled.heard.length).toBe(1)
  dials.push(place.dial(at(letIn.at.port), { ...options, initiator: false }))
  // What one packet of the handshake has left, in packets of 16 bytes.
  const left = Math.floor((1_500 - Buffer.concat(dialled.heard).length) / 16)
  await expect.poll(() => letIn.heard.length, { timeout: 10_000 }).toBe(left)
  ended.abort(new Error('given up'))
  await Promise.allSettled(dials)
  expect(Buffer.concat([...dialled.heard, ...letIn.heard]).length).toBeLessThanOrEqual(1_500)
})

test('packets beyond the allowance are dropped until the address has answered', async () => {
  const port = await openUdpPort({ ip: '127.0.0.1', innerIp: '127.0.0.1', maxFlows: 1 })
  onTestFinished(() => port.close())
  const [library, peer] = [await outsider(), await outsider()]
  let own: RemoteInfo | undefined
  peer.socket.on('message', (_, from) => {
    own = from
  })
  const flow = await port.open(peer.at, { allowance: createAllowances(() => 1)({}) })
  const send = (text: string) => library.socket.send(text, flow?.inner.port ?? 0, '127.0.0.1')
  for (const text of ['one', 'two', 'three']) send(text)
  await expect.poll(() => peer.heard.map(String)).toEqual(['one'])
  peer.socket.send('an answer', own?.port ?? 0, '127.0.0.1')
  await expect.poll(() => library.heard.map(String)).toEqual(['an answer'])
  send('the rest')
  await expect.poll(() => peer.heard.map(String)).toEqual(['one', 'the rest'])
})

test('one that is let in, and does not come, leaves its way to the next one', async () => {
  const place = await started(undefined, { maxFlows: 1 })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  for (const { socket, at } of [await outsider(), await outsider()]) {
    const ended = new AbortController()
    const heard = once(socket, 'message')
    const waiting = place.port.letIn(at, { opened: new Promise(() => undefined), signal: ended.signal, ...unbounded })
    await Promise.race([heard, waiting])
    ended.abort(new Error('given up'))
    await expect(waiting).rejects.toThrow('given up')
    expect(vi.getTimerCount()).toBe(0)
  }
})

test.each([
  ['/ip4/0.0.0.0', '11.0.0.1', ['127.0.0.1', '192.168.1.2', '2600::1']],
  ['/ip6/::', '2600::1', ['::1', 'fd00::1', '11.0.0.1']],
  ['/ip4/127.0.0.1', undefined, ['11.0.0.1']],
])('listening on %s, only peers on the Internet are dialled from the port: %s, not %s', async (host, dialled, others) => {
  const address = multiaddr(`${host}/udp/4001/quic-v1`)
  const [listen, close] = [async () => undefined, async () => undefined]
  const listener: Listener = Object.assign(Object.create(null), { listen, close, getAddrs: () => [address] })
  const port = createQuicOwnPort({ maxFlows: 10 })
  port.share(listener)
  await listener.listen(address)
  for (const ip of others) expect(await port.open({ ip, port: 1 }, unbounded)).toBeUndefined()
  const way = async () => (dialled === undefined ? undefined : await port.open({ ip: dialled, port: 1 }, unbounded))
  const flow = await way()
  expect(flow !== undefined).toBe(dialled !== undefined)
  flow?.release()
  await listener.close()
  expect(await way()).toBeUndefined()
})

test('a port that cannot be bound leaves no socket open', async () => {
  const close = vi.spyOn(Socket.prototype, 'close')
  onTestFinished(() => close.mockRestore())
  await expect(openUdpPort({ ip: '192.0.2.1', innerIp: '127.0.0.1', maxFlows: 1 })).rejects.toThrow('EADDRNOTAVAIL')
  expect(close).toHaveBeenCalledOnce()
})

test('the library sends from the inner address, and others do not take its place', async () => {
  const port = await openUdpPort({ ip: '127.0.0.1', innerIp: '127.0.0.1', maxFlows: 1 })
  onTestFinished(() => port.close())
  const [peer, library, stranger] = [await outsider(), await outsider(), await outsider('127.0.0.2')]
  const flow = await port.open(peer.at)
  if (flow === undefined) throw new Error('there is a flow')
  stranger.socket.send('a stranger', flow.inner.port, '127.0.0.1')
  library.socket.send('the library', flow.inner.port, '127.0.0.1')
  await expect.poll(() => `${peer.heard}`).toBe('the library')
})

test('a port has one flow to an address, a bounded number in all, and drops what comes from elsewhere', async () => {
  const port = await openUdpPort({ ip: '127.0.0.1', innerIp: '127.0.0.1', maxFlows: 2 })
  onTestFinished(() => port.close())
  const [library, peer, stranger] = [await outsider(), await outsider(), await outsider()]
  const flow = await port.open(peer.at, { server: library.at })
  if (flow === undefined) throw new Error('there is a flow')
  expect(await port.open(peer.at)).toBeUndefined()
  expect(await port.open({ ip: '127.0.0.1', port: 1 })).toBeDefined()
  expect(await port.open({ ip: '127.0.0.1', port: 2 })).toBeUndefined()

  flow.send(Buffer.from('out'))
  const { port: outer } = await new Promise<{ port: number }>((resolve) => peer.socket.once('message', (_, from) => resolve(from)))
  stranger.socket.send('a stranger', outer, '127.0.0.1')
  stranger.socket.send('a stranger', flow.inner.port, '127.0.0.1')
  peer.socket.send('in', outer, '127.0.0.1')
  library.socket.send('answer', flow.inner.port, '127.0.0.1')
  await expect.poll(() => [library, peer].map(({ heard }) => `${heard}`)).toEqual(['in', 'out,answer'])

  flow.close()
  expect(await port.open(peer.at)).toBeDefined()
})

test('a port that is closed opens no flow, and none that it was opening', async () => {
  const port = await openUdpPort({ ip: '127.0.0.1', innerIp: '127.0.0.1', maxFlows: 2 })
  const { at } = await outsider()
  const opening = port.open(at)
  port.close()
  expect(await opening).toBeUndefined()
  expect(await port.open(at)).toBeUndefined()
  expect(port.size).toBe(0)
})
