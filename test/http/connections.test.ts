import { EventEmitter, once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createHttpConnections, type HttpConnectionsInit } from '../../src/http/connections.ts'
import { silentLog } from '../fixtures/log.ts'

/** A connection as the server sees it, from any address. */
class FakeSocket extends EventEmitter {
  isOpen = true
  readonly remoteAddress: string | undefined
  constructor(remoteAddress: string | undefined) {
    super()
    this.remoteAddress = remoteAddress
  }
  destroy(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.emit('close')
  }
}

function watched(init: Partial<HttpConnectionsInit> = {}, now?: () => number) {
  const server = new EventEmitter()
  const connections = createHttpConnections(
    { max: 4, maxPerAddress: 2, maxLoopback: 1, ...init },
    { logger: silentLog, ...(now && { now }) },
  )
  connections.watch(server as Server)
  return {
    connections,
    come(address: string | undefined): FakeSocket {
      const socket = new FakeSocket(address)
      server.emit('connection', socket)
      return socket
    },
    /** Answers as a function. */
    ask(socket: FakeSocket): () => void {
      const response = new EventEmitter()
      server.emit('request', { socket }, response)
      return () => void response.emit('close')
    },
    upgrade: (socket: FakeSocket) => void server.emit('upgrade', { socket }),
  }
}

const places = (sockets: FakeSocket[]) => sockets.map(({ isOpen }) => isOpen)

describe('connections of HTTP', () => {
  it('when all are there, the one that has been idle for longest goes', () => {
    const { connections, come, ask } = watched()
    const sockets = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map(come)
    // The first has asked since the others came.
    const [first = come('x')] = sockets
    ask(first)()
    const fifth = come('192.0.2.5')
    expect(places([...sockets, fifth])).toEqual([true, false, true, true, true])
    expect(connections.open).toBe(4)
  })

  it('one that was reset before it was taken up goes, and takes no place', () => {
    const { connections, come } = watched()
    expect([come(undefined).isOpen, connections.open]).toEqual([false, 0])
  })

  it('when none is idle, the new one goes', () => {
    const { come, ask, upgrade } = watched()
    const sockets = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map(come)
    for (const socket of sockets.slice(1)) ask(socket)
    for (const socket of sockets.slice(0, 1)) upgrade(socket)
    const fifth = come('192.0.2.5')
    expect(places([...sockets, fifth])).toEqual([true, true, true, true, false])
  })

  it('one address has its share, and gives up its own; of IPv6 a /64 is one', () => {
    const { come, ask } = watched()
    const other = come('2001:db8:0:2::1')
    const mine = ['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:db8:0:1::3'].map(come)
    expect(places([other, ...mine])).toEqual([true, false, true, true])
    for (const socket of mine.slice(1)) ask(socket)
    expect(come('2001:db8:0:1:ffff::').isOpen).toBe(false)
  })

  it('this host has some beside the others, and this host and trusted proxies may have all', () => {
    const { come, ask } = watched({ isTrusted: (address) => address === '192.0.2.9' })
    const all = Array.from({ length: 4 }, () => come('192.0.2.9'))
    for (const socket of all) ask(socket)
    expect(places([...all, come('192.0.2.1')])).toEqual([true, true, true, true, false])
    const probe = come('127.0.0.1')
    expect(probe.isOpen).toBe(true)
    expect(come('::1').isOpen).toBe(true)
    expect(probe.isOpen).toBe(false)
    const local = watched()
    const busy = Array.from({ length: 5 }, () => local.come('127.0.0.1'))
    for (const socket of busy) local.ask(socket)
    expect(places([...busy, local.come('192.0.2.1')])).toEqual([true, true, true, true, true, false])
  })

  it('one is idle again when all of its requests were answered, and not when it has gone before that', () => {
    const { connections, come, ask } = watched()
    const sockets = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map(come)
    const answers = sockets.map(ask)
    const [first] = sockets
    const again = first === undefined ? undefined : ask(first)
    answers[0]?.()
    expect(come('192.0.2.5').isOpen).toBe(false)
    again?.()
    const fifth = come('192.0.2.5')
    expect(places([...sockets, fifth])).toEqual([false, true, true, true, true])
    const answer = ask(fifth)
    fifth.destroy()
    answer()
    ask(come('192.0.2.6'))
    expect([come('192.0.2.7').isOpen, connections.open]).toEqual([false, 4])
  })

  it('places are free again when connections have gone', () => {
    const { connections, come } = watched()
    for (let count = 0; count < 100; count++) come(`192.0.2.${count}`).destroy()
    expect(connections.open).toBe(0)
  })

  it('one that sends more requests at once than are answered is cut off', () => {
    const { come, ask } = watched()
    const socket = come('192.0.2.1')
    for (let count = 0; count < 100; count++) ask(socket)
    expect(socket.isOpen).toBe(true)
    ask(socket)
    expect(socket.isOpen).toBe(false)
  })

  it('an address that sends too many at once gets no connection for ten seconds, unless others may be behind it', () => {
    let now = 0
    const { come, ask } = watched({ max: 9, isTrusted: (address) => address === '192.0.2.9' }, () => now)
    for (const address of ['2001:db8:0:1::1', '192.0.2.9', '127.0.0.1']) {
      const socket = come(address)
      for (let count = 0; count < 101; count++) ask(socket)
    }
    const opens = (address: string) => come(address).isOpen
    expect(['2001:db8:0:1::2', '2001:db8:0:2::1', '192.0.2.9', '127.0.0.1'].map(opens)).toEqual([false, true, true, true])
    now = 10_001
    expect(opens('2001:db8:0:1::2')).toBe(true)
  })
})

it('counts the sockets of a real server, from before they have sent a byte', async () => {
  const server = createServer((_, response) => response.end('here'))
  const connections = createHttpConnections({ max: 3, maxPerAddress: 3, maxLoopback: 0 }, { logger: silentLog })
  connections.watch(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const clients: Socket[] = []
  const closed: number[] = []
  for (let index = 0; index < 4; index++) {
    const socket = connect(port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => undefined)
    socket.once('close', () => closed.push(index))
    socket.resume()
    clients.push(socket)
    await once(socket, 'connect')
    await expect.poll(() => connections.open).toBe(Math.min(3, index + 1))
  }
  await expect.poll(() => closed).toEqual([0])
})
