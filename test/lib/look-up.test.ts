import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createLookUp, type LookUpInit } from '../../src/lib/look-up.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const { signal } = new AbortController()
/** Who looks names up, where it does not matter. */
const holder = 'client'

/** What a DNS server says of a name: its addresses (those of IPv6 in full), a code, or nothing, ever. */
type Says = string[] | keyof typeof codes | undefined

/** RFC 1035 §4.1.1 */
const codes = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 }

/** RFC 1035 §3.4.1, RFC 3596 §2.2 */
function recordOf(address: string, type: number): Buffer {
  const bytesOf = (group: string) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]
  const data = isIPv6(address) ? address.split(':').flatMap(bytesOf) : address.split('.').map(Number)
  return Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 1, 0, data.length, ...data])
}

/** A DNS server, and lookups that ask it. */
async function lookUpFor(says: (name: string) => Says, init: LookUpInit = {}) {
  const socket = createSocket('udp4')
  onTestFinished(() => void socket.close())
  const asked: string[] = []
  socket.on('message', (query, { port }) => {
    const labels: string[] = []
    let at = 12
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const name = labels.join('.')
    asked.push(name)
    const said = says(name)
    if (said === undefined) return
    const type = query.readUInt16BE(at + 1)
    const found = Array.isArray(said) ? said.filter((address) => (isIPv6(address) ? 28 : 1) === type) : []
    const answer = Buffer.from(query.subarray(0, at + 5))
    answer.writeUInt16BE(0x8180 + (Array.isArray(said) ? 0 : codes[said]), 2)
    answer.writeUInt16BE(found.length, 6)
    answer.writeUInt32BE(0, 8)
    const records = found.map((address) => recordOf(address, type))
    socket.send(Buffer.concat([answer, ...records]), port, '127.0.0.1')
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const system = async () => expect.unreachable('the system is not asked')
  return {
    asked,
    lookUp: createLookUp({ servers: [`127.0.0.1:${socket.address().port}`], hostsFile: '/nowhere', system, ...init }),
  }
}

test('a name is asked of DNS, in the wanted family', async () => {
  const { lookUp } = await lookUpFor(() => ['192.0.2.1', '192.0.2.2'])
  expect(await lookUp('a.example', 0, signal, holder)).toEqual(['192.0.2.1', '192.0.2.2'])
  expect(await lookUp('a.example', 4, signal, holder)).toEqual(['192.0.2.1', '192.0.2.2'])
})

test('the addresses of both families come in turn: those who try the first few try both', async () => {
  const { lookUp } = await lookUpFor(() => ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8:0:0:0:0:0:1', '2001:db8:0:0:0:0:0:2'])
  expect(await lookUp('a.example', 0, signal, holder)).toEqual(['192.0.2.1', '2001:db8::1', '192.0.2.2', '2001:db8::2', '192.0.2.3'])
  expect(await lookUp('a.example', 6, signal, holder)).toEqual(['2001:db8::1', '2001:db8::2'])
})

test('names whose server never answers hold up neither other names nor the system’s resolver, and end in time', async () => {
  const { lookUp } = await lookUpFor((name) => (name === 'good.example' ? ['192.0.2.1'] : undefined), { timeoutMs: 250 })
  const silent = Array.from({ length: 20 }, (_, index) => lookUp(`n${index}.example`, 0, signal, holder))
  const ends = Promise.allSettled(silent)
  expect(await lookUp('good.example', 4, signal, holder)).toEqual(['192.0.2.1'])
  for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: { code: 'ETIMEOUT' } })
})

test('a lookup ends with its signal', async () => {
  const { lookUp, asked } = await lookUpFor(() => undefined, { timeoutMs: 600_000 })
  const aborting = new AbortController()
  const looking = lookUp('a.example', 4, aborting.signal, holder)
  await expect.poll(() => asked).toEqual(['a.example'])
  aborting.abort(new Error('enough'))
  await expect(looking).rejects.toThrow('enough')
  // The second try would have come before the end of the lookup by itself.
  expect(asked).toEqual(['a.example'])
})

test('a signal that fires before DNS is asked ends the lookup', async () => {
  const { lookUp, asked } = await lookUpFor(() => ['192.0.2.1'])
  const aborting = new AbortController()
  const looking = lookUp('a.example', 4, aborting.signal, holder)
  aborting.abort(new Error('enough'))
  await expect(looking).rejects.toThrow('enough')
  expect(asked).toEqual([])
})

test('a name of the hosts file is not asked for', async () => {
  const hostsFile = join(await temporaryDirectory(), 'hosts')
  await writeFile(hostsFile, '127.0.0.1 localhost # here\n10.0.0.7\tinside other.Name\n::7 inside\n#10.0.0.8 inside\nx inside\n')
  const { lookUp, asked } = await lookUpFor(() => 'NXDOMAIN', { hostsFile, system: async () => ['10.9.9.9'] })
  expect(await lookUp('inside', 0, signal, holder)).toEqual(['10.0.0.7', '::7'])
  expect(await lookUp('Other.name', 4, signal, holder)).toEqual(['10.0.0.7'])
  expect(await lookUp('inside', 6, signal, holder)).toEqual(['::7'])
  expect(asked).toEqual([])
  expect(await lookUp('other.name', 6, signal, holder)).toEqual(['10.9.9.9'])
  // A word of a comment.
  expect(await lookUp('here', 4, signal, holder)).toEqual(['10.9.9.9'])
})

test('what DNS does not have is looked up by the system, one at a time, also when nobody waits any more', async () => {
  const begun: string[] = []
  const answers = new Map<string, (addresses: string[]) => void>()
  const system = (name: string) => {
    begun.push(name)
    return new Promise<string[]>((resolve) => answers.set(name, resolve))
  }
  const { lookUp } = await lookUpFor(() => 'NXDOMAIN', { system })
  const leaving = new AbortController()
  const one = lookUp('one', 0, leaving.signal, holder)
  await expect.poll(() => begun).toEqual(['one'])
  leaving.abort()
  const two = lookUp('two', 0, signal, holder)
  const third = new AbortController()
  const three = lookUp('three', 0, third.signal, holder)
  third.abort(new Error('enough'))
  await expect(three).rejects.toThrow('enough')
  expect(begun).toEqual(['one'])
  answers.get('one')?.([])
  await one
  await expect.poll(() => begun).toEqual(['one', 'two'])
  answers.get('two')?.(['10.0.0.7'])
  expect(await two).toEqual(['10.0.0.7'])
})

test('a client whose names take the system long delays another by one of them, and leaves it room to wait', async () => {
  const begun: string[] = []
  const ends: Array<() => void> = []
  const system = (name: string) => {
    begun.push(name)
    return new Promise<string[]>((resolve) => ends.push(() => resolve(['10.0.0.7'])))
  }
  const { asked, lookUp } = await lookUpFor((name) => (name === 'known' ? ['10.0.0.8'] : 'NXDOMAIN'), { system })
  onTestFinished(() => {
    for (const end of ends) end()
  })
  const leaving = new AbortController()
  const greedy = Array.from({ length: 200 }, (_, index) =>
    lookUp(`slow-${index}`, 4, leaving.signal, 'greedy').catch((error: { code?: string }) => error.code),
  )
  await expect.poll(() => begun).toHaveLength(1)
  await Promise.race(greedy)
  const other = lookUp('printer', 4, signal, 'other')
  const third = lookUp('scanner', 4, signal, 'third')
  // Both wait for the system when what DNS was asked after them is answered.
  await expect.poll(() => asked).toEqual(expect.arrayContaining(['printer', 'scanner']))
  await lookUp('known', 4, signal, holder)
  while (!(begun.includes('printer') && begun.includes('scanner'))) {
    const before = begun.length
    ends[before - 1]?.()
    await expect.poll(() => begun.length).toBeGreaterThan(before)
  }
  expect(begun.length).toBeLessThanOrEqual(4)
  for (const end of ends) end()
  expect(await Promise.all([other, third])).toEqual([['10.0.0.7'], ['10.0.0.7']])
  leaving.abort()
  for (let at = ends.length; at > 0; at = ends.length) for (const end of ends.splice(0)) end()
  await Promise.all(greedy)
})

test('few names of the process wait for the system', async () => {
  const leaving = new AbortController()
  const { promise, resolve } = Promise.withResolvers<string[]>()
  onTestFinished(() => resolve([]))
  const { lookUp } = await lookUpFor(() => 'NXDOMAIN', { system: () => promise })
  const { lookUp: another } = await lookUpFor(() => 'NXDOMAIN', { system: () => promise })
  const lookUps = Array.from({ length: 102 }, (_, index) =>
    (index < 51 ? lookUp : another)(`n${index}`, 4, leaving.signal, `client ${index % 4}`),
  )
  const first = Promise.race(lookUps.map((each) => each.catch((error: unknown) => error)))
  expect(await first).toMatchObject({ code: 'EBUSY' })
  leaving.abort()
})

test('a server that fails is not a name that is missing: the system is not asked', async () => {
  const { lookUp } = await lookUpFor(() => 'SERVFAIL')
  await expect(lookUp('a.example', 4, signal, holder)).rejects.toMatchObject({ code: 'ESERVFAIL' })
})

test.each(['SERVFAIL', 'REFUSED'] as const)('of a name that is none of DNS, %s is no failure: the system is asked', async (said) => {
  const { lookUp } = await lookUpFor(() => said, { system: async () => ['10.9.9.9'] })
  for (const name of ['printer', 'Printer.', 'printer.local', 'a.printer.Local.']) {
    expect(await lookUp(name, 0, signal, holder)).toEqual(['10.9.9.9'])
  }
  for (const name of ['a.example', 'local.example', 'a.notlocal']) {
    await expect(lookUp(name, 0, signal, holder)).rejects.toMatchObject({ code: `E${said}` })
  }
})
