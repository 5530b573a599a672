import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { findPcpRouter } from '../../../src/engine/port-mapping/pcp.ts'

const signal = AbortSignal.timeout(60_000)
/** An address of this host that is no other test's. */
const ip = '127.53.51.2'
const port = { transport: 'tcp', ip, port: 7071 } as const
const secret = new Uint8Array(32).fill(7)

/** A router that answers a request with datagrams, or does not. Notes the requests. */
async function router(answer: (request: Buffer) => Buffer[]): Promise<Buffer[]> {
  const requests: Buffer[] = []
  const socket = createSocket('udp4')
  socket.on('message', (request, { port: from, address }) => {
    requests.push(request)
    for (const bytes of answer(request)) socket.send(bytes, from, address)
  })
  socket.bind(5351, ip)
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  return requests
}

/** The answer of an honest router. */
function honest(request: Buffer, { epoch = 1, seconds = 3_600, result = 0, outside = '::ffff:8.8.4.4', external = 20_001 } = {}): Buffer {
  const answer = Buffer.from(request)
  answer.writeUInt8((request[1] ?? 0) + 128, 1)
  answer.writeUInt8(result, 3)
  answer.writeUInt32BE(seconds, 4)
  answer.writeUInt32BE(epoch, 8)
  answer.fill(0, 12, 24)
  if (answer.length < 60) return answer
  answer.writeUInt16BE(external, 42)
  const bytes = outside === '::' ? Buffer.alloc(16) : Buffer.from('00000000000000000000ffff08080404', 'hex')
  bytes.copy(answer, 44)
  return answer
}

const isMap = (request: Buffer) => request[1] === 1
const find = (own = secret) => findPcpRouter({ router: async () => ip, secret: own }, signal)
const changed = (bytes: Buffer, at: number, to = (bytes[at] ?? 0) + 1) => {
  const other = Buffer.from(bytes)
  other.writeUInt8(to & 255, at)
  return other
}

test('a port is forwarded for an hour, at the address and port that the router gives, and taken back', async () => {
  const requests = await router((request) => [honest(request)])
  const found = await find()
  expect([found?.protocol, found?.serves('127.0.0.1'), found?.serves('192.168.1.2')]).toEqual(['PCP', true, false])
  expect(await found?.map(port, 7072, signal)).toEqual({ ip: '8.8.4.4', port: 20_001, seconds: 3_600 })
  const [, request = Buffer.alloc(60)] = requests
  const client = '00000000000000000000ffff7f353302'
  expect(request.subarray(0, 24).toString('hex')).toBe(`0201000000000e10${client}`)
  expect(request.subarray(36).toString('hex')).toBe('060000001b9f1ba000000000000000000000ffff00000000')
  await found?.unmap(port, 20_001, signal)
  expect(requests.at(-1)?.subarray(0, 8).toString('hex')).toBe('0201000000000000')
})

test('the nonce of a port stays the same, also for a node that has crashed, and is not that of another port or node', async () => {
  const requests = await router((request) => [honest(request)])
  for (const [own, mapped] of [
    [secret, port],
    [secret, port],
    [secret, { ...port, port: 7072 }],
    [secret, { ...port, transport: 'udp' }],
    [new Uint8Array(32), port],
  ] as const)
    await (await find(own))?.map(mapped, 7071, signal)
  const [first, again, ...others] = requests.filter(isMap).map((request) => request.subarray(24, 36).toString('hex'))
  expect(again).toBe(first)
  expect(new Set([first, ...others]).size).toBe(4)
})

test('answers with another nonce, port, protocol, version, operation or length are not taken', async () => {
  await router((request) => {
    const good = honest(request)
    if (!isMap(request)) return [good]
    const hostile = honest(request, { external: 6_666 })
    const wrong = [24, 35, 36, 41].map((at) => changed(hostile, at))
    const bent = [changed(hostile, 0, 1), changed(hostile, 0, 0), changed(hostile, 1, 128), changed(hostile, 1, 1)]
    const sized = [Buffer.alloc(0), hostile.subarray(0, 59), Buffer.concat([hostile, Buffer.alloc(1_100)])]
    return [...wrong, ...bent, ...sized, good]
  })
  expect(await (await find())?.map(port, 7071, signal)).toMatchObject({ port: 20_001 })
})

test('a lost datagram is repeated', async () => {
  let count = 0
  const requests = await router((request) => (count++ % 2 === 0 ? [] : [honest(request)]))
  expect(await (await find())?.map(port, 7071, signal)).toMatchObject({ port: 20_001 })
  expect(requests).toHaveLength(4)
})

test('a refusal has the words of the specification, and port 0 is none', async () => {
  await router((request) => [honest(request, isMap(request) ? { result: 2 } : {})])
  await expect((await find())?.map(port, 7071, signal)).rejects.toThrow('the router refuses: it is not allowed to')
})

test('an answer without a port is an error', async () => {
  await router((request) => [honest(request, { external: 0 })])
  await expect((await find())?.map(port, 7071, signal)).rejects.toThrow('gives no port')
})

test.each([
  ['that speaks NAT-PMP only', Buffer.from('0000000100000001', 'hex')],
  ['that speaks another version of PCP', honest(Buffer.from(`0200${'0'.repeat(44)}`, 'hex'), { result: 1 })],
])('a router %s is not taken', async (_, answer) => {
  await router(() => [answer])
  expect(await find()).toBeUndefined()
})

test('a router whose clock went back, or stood still, was restarted', async () => {
  const clocks = [100, 100, 1, 60_000]
  await router((request) => [honest(request, { epoch: clocks.shift() ?? 0 })])
  const found = await find()
  const seen = [await found?.isRestarted?.(signal), await found?.isRestarted?.(signal), await found?.isRestarted?.(signal)]
  expect(seen).toEqual([false, true, true])
})
