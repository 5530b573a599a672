import { once } from 'node:events'
import { connect, createServer, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { ComponentLogger, Connection, DialTransportOptions, Logger, MultiaddrConnection, Upgrader } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import type { DialGate } from '../../../../src/engine/dial/gate.ts'
import { type BoundHandle, createOwnPort, type OwnPort } from '../../../../src/engine/libp2p/transport/own-port.ts'
import type { PortOptions } from '../../../../src/engine/libp2p/transport/port-options.ts'
import { tcpTransport } from '../../../../src/engine/libp2p/transport/tcp-transport.ts'
import { libp2pEngine, startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'

const silent: Logger = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
  enabled: false,
  newScope: () => silent,
})
const logger: ComponentLogger = { forComponent: () => silent }
const openGate: DialGate = {
  dial: async (address, _signal, connect) => await connect({ address, ip: address.getComponents()[0]?.value ?? '' }),
  dialThrough: async (_address, _ends, open) => await open(),
}

/** A connection that is as far as the transport makes it. */
type Dialled = Connection & { socket: MultiaddrConnection }

/** A transport that listens, and dials from where it listens, also on loopback. */
async function listening(host = '/ip4/0.0.0.0', needsHoles = true, failures: Error[] = []) {
  const ownPort = await createOwnPort()
  if (ownPort === undefined) throw new Error('this system has no SO_REUSEPORT')
  const fromOwnPort: Connection[] = []
  const bindTo = (ip: string) => ownPort.bind(ip.includes(':') ? '2600::1' : '11.0.0.1')
  const beforeDials: Array<() => void> = []
  function bind(ip: string): BoundHandle | undefined {
    beforeDials.shift()?.()
    return bindTo(ip)
  }
  const onLoopback: OwnPort = { ...ownPort, bind }
  const transport = tcpTransport(
    {},
    { gate: openGate, ownPort: onLoopback, needsHoles: () => needsHoles, onFromOwnPort: (one) => fromOwnPort.push(one) },
  )({ logger })
  const upgradeOutbound = async (socket: MultiaddrConnection) => {
    const failure = failures.shift()
    if (failure === undefined) return Object.assign(Object.create(null), { socket })
    socket.abort(failure)
    throw failure
  }
  const arrived = Promise.withResolvers<void>()
  /** Waits for the peer to begin the handshake. */
  const upgradeInbound = async (socket: MultiaddrConnection) => {
    arrived.resolve()
    await once(socket, 'close')
    throw new Error('the peer has closed the connection')
  }
  const upgrader: Upgrader = Object.assign(Object.create(null), { upgradeOutbound, upgradeInbound })
  const listener = transport.createListener({ upgrader })
  await listener.listen(multiaddr(`${host}/tcp/0`))
  onTestFinished(() => listener.close())
  const dial = async (address: Multiaddr, options: PortOptions & { signal?: AbortSignal } = {}): Promise<Dialled> => {
    const dialling: DialTransportOptions = Object.assign({ upgrader, signal: AbortSignal.timeout(20_000) }, options)
    const dialled: Dialled = Object.assign(Object.create(null), await transport.dial(address, dialling))
    onTestFinished(() => dialled.socket.abort(new Error('the test is over')))
    return dialled
  }
  const port = listener.getAddrs()[0]?.getComponents()[1]?.value
  /** Connects from the listening port as soon as the system does, and sends nothing. */
  function connectTo(other: number): Socket {
    const options: TcpNetConnectOpts = { host: '127.0.0.1', port: other }
    const socket = connect(Object.assign(options, { handle: bindTo('127.0.0.1'), manualStart: true }))
    onTestFinished(() => void socket.on('error', () => undefined).destroy())
    return socket.on('error', () => undefined)
  }
  return { ownPort, listener, dial, fromOwnPort, port: Number(port), arrived: arrived.promise, beforeDials, connectTo }
}

/** A server, and the ports that its clients had. */
async function server(ip = '127.0.0.1'): Promise<{ address: Multiaddr; clients: (number | undefined)[]; ends: string[] }> {
  const clients: (number | undefined)[] = []
  const ends: string[] = []
  const listens = createServer((socket) => {
    socket.on('error', ({ message }) => void ends.push(message))
    socket.on('end', () => void ends.push('FIN')).resume()
    clients.push(socket.remotePort)
  })
  await once(listens.listen(0, ip), 'listening')
  onTestFinished(() => void listens.close())
  const place = listens.address()
  if (place === null || typeof place === 'string') throw new Error('the server has no port')
  return { address: multiaddr(`/ip${ip.includes(':') ? 6 : 4}/${ip}/tcp/${place.port}`), clients, ends }
}

test.each([
  ['/ip4/0.0.0.0', '127.0.0.1'],
  ['/ip6/::', '::1'],
])('on %s a dial leaves from the listening port, and a second one to the same place from another', async (host, ip) => {
  const { dial, fromOwnPort, port } = await listening(host)
  const { address, clients } = await server(ip)
  const first = await dial(address)
  await dial(address)
  await expect.poll(() => clients).toEqual([port, expect.not.toBeOneOf([port])])
  expect(fromOwnPort).toHaveLength(1)
  expect(first.socket.direction).toBe('outbound')
})

test('a dial that may have crossed one of the peer is made again from another port, and no other failure is', async () => {
  const crossed = () => Object.assign(new Error('both began'), { name: 'EncryptionFailedError' })
  const { dial, port } = await listening('/ip4/0.0.0.0', true, [crossed(), crossed(), crossed(), new Error('denied')])
  const { address, clients } = await server()
  await expect(dial(address)).rejects.toThrow('both began')
  await expect(dial(address, { initiator: true })).rejects.toThrow('both began')
  await expect(dial(address)).rejects.toThrow('denied')
  await expect.poll(() => clients).toEqual([port, expect.not.toBeOneOf([port]), port, port])
})

test('of a node that can be dialled only dials that punch holes leave from the listening port', async () => {
  const { dial, fromOwnPort, port } = await listening('/ip4/0.0.0.0', false)
  const { address, clients } = await server()
  await dial(address)
  await dial(address, { initiator: true })
  await expect.poll(() => clients).toEqual([expect.not.toBeOneOf([port]), port])
  expect(fromOwnPort).toHaveLength(1)
})

test('a punching dial that comes after the dial of the peer, on which both ends would wait for the other, takes its place', async () => {
  const [first, second] = [await listening(), await listening()]
  const back = multiaddr(`/ip4/127.0.0.1/tcp/${second.port}`)
  await second.dial(multiaddr(`/ip4/127.0.0.1/tcp/${first.port}`), { initiator: false })
  await first.arrived
  await first.dial(back, { initiator: true })
  expect(first.fromOwnPort).toHaveLength(1)
})

test('so does one that the system has refused because it had accepted the dial of the peer, of which this node did not know yet', async () => {
  const [first, second] = [await listening(), await listening()]
  const back = multiaddr(`/ip4/127.0.0.1/tcp/${second.port}`)
  second.dial(multiaddr(`/ip4/127.0.0.1/tcp/${first.port}`), { initiator: false }).catch(() => undefined)
  await connectedBySystem()
  await first.dial(back, { initiator: true })
  expect(first.fromOwnPort).toHaveLength(1)
})

test('a dial of the peer that comes again before this one is made is used as this one', async () => {
  const [first, second] = [await listening(), await listening()]
  const back = multiaddr(`/ip4/127.0.0.1/tcp/${second.port}`)
  await second.dial(multiaddr(`/ip4/127.0.0.1/tcp/${first.port}`), { initiator: false })
  await first.arrived
  // A peer that dials again within a millisecond is faster each time.
  const again: Socket[] = []
  first.beforeDials.push(...Array.from({ length: 5 }, () => () => again.push(second.connectTo(first.port))))
  const { socket } = await first.dial(back, { initiator: true })
  expect([socket.direction, socket.remoteAddr.toString()]).toEqual(['outbound', back.toString()])
  expect(first.fromOwnPort).toHaveLength(1)
  expect(again.map(({ destroyed }) => destroyed)).toEqual([false])
})

test.each([
  [3, [4, 'reached']],
  [4, [4, 'ECONNRESET']],
])(
  'the dial of a responder is made again when the initiator has ended it for its own: %i times, with this outcome',
  async (ended, outcome) => {
    const failures = Array.from({ length: ended }, () => Object.assign(new Error('ECONNRESET'), { name: 'EncryptionFailedError' }))
    const { dial, port } = await listening('/ip4/0.0.0.0', true, failures)
    const { address, clients } = await server()
    const dialled = dial(address, { initiator: false })
    const result = await dialled.then(() => 'reached').catch(({ message }: Error) => message)
    await expect.poll(() => [clients.length, result]).toEqual(outcome)
    expect(new Set(clients)).toEqual(new Set([port]))
  },
)

test('a dial-back leaves from a port that the peer has not sent to', async () => {
  const { dial, fromOwnPort, port } = await listening()
  const { address, clients } = await server()
  await dial(address, { fromAnyPort: true })
  await expect.poll(() => clients).toEqual([expect.not.toBeOneOf([port])])
  expect(fromOwnPort).toEqual([])
})

test('a dial that punches a hole leaves from the listening port or not at all', async () => {
  const { dial, listener, port } = await listening()
  const { address, clients } = await server()
  expect((await dial(address, { initiator: false })).socket.direction).toBe('inbound')
  await expect(dial(address, { initiator: true, signal: AbortSignal.timeout(500) })).rejects.toThrow(/EADDR/)
  await listener.close()
  await expect(dial(address, { initiator: true })).rejects.toThrow(/not shared/)
  await expect.poll(() => clients).toEqual([port])
})

/** The system connects a dial on loopback at once; the events at both ends come in the next turn. */
async function connectedBySystem(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise<void>((resolve) => process.nextTick(resolve))
}

test('a dial that is given up once the system has connected it ends with RST, which leaves the port free for the next one', async () => {
  const { dial, fromOwnPort, port } = await listening()
  const { address, clients, ends } = await server()
  const giving = new AbortController()
  const first = dial(address, { initiator: true, signal: giving.signal })
  first.catch(() => undefined)
  await connectedBySystem()
  giving.abort(new Error('given up'))
  await expect(first).rejects.toThrow()
  await expect.poll(() => ends).toEqual([expect.stringContaining('ECONNRESET')])
  await dial(address, { initiator: true })
  await expect.poll(() => clients.slice(1)).toEqual([port])
  expect(fromOwnPort).toHaveLength(1)
})

test.each([
  ['/ip4/0.0.0.0', ['127.0.0.1', '192.168.1.2', '::1', '2600::1']],
  ['/ip6/::', ['127.0.0.1', '11.0.0.1', '::1', 'fd00::1']],
  ['/ip4/127.0.0.1', ['11.0.0.1']],
])('listening on %s, dials of %s leave from any port: they need no other, or none would arrive from this one', async (host, ips) => {
  const { ownPort } = await listening(host)
  for (const ip of ips) expect(ownPort.bind(ip)).toBeUndefined()
})

test('a dial of an address on the Internet has the port as long as somebody listens', async () => {
  const { ownPort, listener } = await listening()
  const handle: BoundHandle | undefined = ownPort.bind('11.0.0.1')
  expect(handle).toBeDefined()
  handle?.close()
  await listener.close()
  expect(ownPort.bind('11.0.0.1')).toBeUndefined()
})

test('a gateway that shares its port with its dials does not share it with another gateway', async () => {
  const first = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0', '/p2p-circuit'] })
  const [address = ''] = await first.multiaddrs()
  const [place = ''] = address.split('/p2p/')
  const second = await libp2pEngine({ listen: [place, '/p2p-circuit'] })
  await expect(second.start()).rejects.toThrow(/EADDRINUSE/)
})
