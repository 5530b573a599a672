import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { askRouter } from '../../../src/engine/port-mapping/datagrams.ts'
import { findNatPmpRouter } from '../../../src/engine/port-mapping/nat-pmp.ts'

const signal = AbortSignal.timeout(60_000)
/** An address of this host that is no other test's. */
const ip = '127.53.51.1'
const port = { transport: 'udp', ip, port: 7071 } as const

/** A router that answers a request, or does not. Notes the requests. */
async function router(answer: (request: Buffer) => string | undefined): Promise<Buffer[]> {
  const requests: Buffer[] = []
  const socket = createSocket('udp4')
  socket.on('message', (request, { port: from, address }) => {
    requests.push(request)
    const bytes = answer(request)
    if (bytes !== undefined) socket.send(Buffer.from(bytes, 'hex'), from, address)
  })
  socket.bind(5351, ip)
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  return requests
}

const find = () => findNatPmpRouter(signal, { router: async () => ip })
const externalIp = '008000000000000108080404'

test('a port is forwarded for an hour, at the port that the router gives', async () => {
  const requests = await router((request) => (request[1] === 0 ? externalIp : '00810000000000011b9f4e2100000e10'))
  const found = await find()
  expect([found?.serves('127.0.0.1'), found?.serves('192.168.1.2')]).toEqual([true, false])
  expect(await found?.externalIp?.(signal)).toBe('8.8.4.4')
  expect(await found?.map(port, 7072, signal)).toEqual({ port: 20_001, seconds: 3_600 })
  expect(requests.at(-1)?.toString('hex')).toBe('000100001b9f1ba000000e10')
  await found?.unmap(port, 20_001, signal)
  expect(requests.at(-1)?.toString('hex')).toBe('000100001b9f000000000000')
})

test('a lost datagram is repeated, and an answer to something else is not taken', async () => {
  let count = 0
  const requests = await router(() => (['00810000000000011b9f4e2100000e10', undefined, externalIp] as const)[count++])
  expect((await find())?.protocol).toBe('NAT-PMP')
  expect(requests).toHaveLength(3)
})

test('a refusal has the words of the specification', async () => {
  await router((request) => (request[1] === 0 ? externalIp : '00810002'))
  await expect((await find())?.map(port, 7071, signal)).rejects.toThrow('the router refuses: it is not allowed to')
})

test('a router that does not speak NAT-PMP is not taken', async () => {
  await router(() => '00800001')
  expect(await find()).toBeUndefined()
})

test.each([
  [
    ['0000000a', '0000000a', '00000001'],
    [false, true],
  ],
  [
    ['0000000a', '00000001', '00000001'],
    [true, false],
  ],
])('a router whose clock went back, as of %j, was restarted', async (told, restarted) => {
  const clocks = [...told]
  await router(() => `00800000${clocks.shift()}08080404`)
  const found = await find()
  expect([await found?.isRestarted?.(signal), await found?.isRestarted?.(signal)]).toEqual(restarted)
})

test('an answer that is too short is not taken', async () => {
  const answers = ['00800000000000010808', externalIp, '0081000000000001', '00810000000000011b9f4e2100000e10']
  await router(() => answers.shift())
  expect(await (await find())?.map(port, 7071, signal)).toMatchObject({ port: 20_001 })
})

test('a router is asked no more once the signal has fired', async () => {
  const stopping = new AbortController()
  await router(() => void stopping.abort(new Error('stopped')))
  const asked = askRouter(
    { ip },
    () => Buffer.of(0, 0),
    () => true,
    stopping.signal,
  )
  await expect(asked).rejects.toThrow('stopped')
})
