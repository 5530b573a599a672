import type { Logger, MultiaddrResolver } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { createDialPolicy } from '../../../src/engine/dial/policy.ts'
import { createDnsaddrResolver } from '../../../src/engine/libp2p/transport/dnsaddr.ts'
import type { AddressSource } from '../../../src/model/peer.ts'

const peer = '/p2p/12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'

const silent = () => undefined
const log: Logger = Object.assign(silent, { enabled: false, error: silent, trace: silent, newScope: () => log })

/** A resolver of records in memory, in front of a policy. */
function resolving(records: Record<string, string[]>) {
  const policy = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => [] })
  const asked: string[] = []
  const inMemory: MultiaddrResolver = {
    canResolve: (address) => address.toString().startsWith('/dnsaddr/'),
    async resolve(address) {
      asked.push(address.toString())
      return (records[address.toString()] ?? []).map((record) => multiaddr(record))
    },
  }
  const resolver = createDnsaddrResolver(policy, inMemory)
  const resolve = async (address: string) => (await resolver.resolve(multiaddr(address), { log })).map(String)
  return { policy, asked, resolver, resolve }
}

test.each<AddressSource>(['configured', 'rest', 'mdns'])(
  'records inherit the source %s, also those of a record that is a dnsaddr itself',
  async (source) => {
    const first = `/dnsaddr/peer.example${peer}`
    const second = `/dnsaddr/more.example${peer}`
    const { policy, resolve } = resolving({ [first]: [`/ip4/10.0.0.1/tcp/1${peer}`, second], [second]: ['/dns4/peer.example/tcp/1/ws'] })
    policy.note('/dnsaddr/peer.example', source)
    expect(await resolve(first)).toEqual([`/ip4/10.0.0.1/tcp/1${peer}`, '/dns4/peer.example/tcp/1/ws'])
    const noted = ['/ip4/10.0.0.1/tcp/1', '/dnsaddr/more.example', '/dns4/peer.example/tcp/1/ws', '/ip4/10.0.0.2/tcp/1']
    expect(noted.map((address) => policy.sourceOf(address))).toEqual([source, source, source, 'learnt'])
  },
)

test('one that another peer told is not followed', async () => {
  const { policy, asked, resolve } = resolving({ '/dnsaddr/peer.example': ['/ip4/8.8.8.8/tcp/1'] })
  policy.note('/dnsaddr/peer.example', 'learnt')
  expect(await resolve('/dnsaddr/peer.example')).toEqual([])
  expect(await resolve(`/dnsaddr/peer.example${peer}`)).toEqual([])
  expect(asked).toEqual([])
})

test('a record keeps the more trusted source that it had', async () => {
  const { policy, resolve } = resolving({ '/dnsaddr/peer.example': ['/ip4/10.0.0.1/tcp/1'] })
  policy.note('/dnsaddr/peer.example', 'mdns')
  policy.note('/ip4/10.0.0.1/tcp/1', 'configured')
  await resolve('/dnsaddr/peer.example')
  expect(policy.sourceOf('/ip4/10.0.0.1/tcp/1')).toBe('configured')
})

test('25 records of a name are taken, and no others noted', async () => {
  const records = Array.from({ length: 40 }, (_, index) => `/ip4/10.0.0.${index}/tcp/1`)
  const { policy, resolve } = resolving({ '/dnsaddr/peer.example': records })
  policy.note('/dnsaddr/peer.example', 'rest')
  expect(await resolve('/dnsaddr/peer.example')).toEqual(records.slice(0, 25))
  expect(records.filter((record) => policy.sourceOf(record) === 'rest')).toEqual(records.slice(0, 25))
})

test('records that lead on to one another are followed a few times only, each name once', async () => {
  const names = Array.from({ length: 31 }, (_, index) => `/dnsaddr/step${index}.example`)
  const records = names.map((_, index) => [
    `/ip4/10.0.0.1/tcp/${index + 1}`,
    ...Array.from({ length: 24 }, () => names[index + 1] ?? names[0] ?? ''),
  ])
  const { policy, asked, resolver } = resolving(Object.fromEntries(names.map((name, index) => [name, records[index] ?? []])))
  policy.note('/dnsaddr/step0.example', 'rest')

  /** As libp2p does it with each address that it is given. */
  async function followed(address: Multiaddr): Promise<Multiaddr[]> {
    if (asked.length > 100) throw new Error('it is followed without end')
    if (!resolver.canResolve(address)) return [address]
    const all: Multiaddr[] = []
    for (const one of await resolver.resolve(address, { log })) all.push(...(await followed(one)))
    return all
  }

  expect((await followed(multiaddr('/dnsaddr/step0.example'))).map(String)).toEqual(records.slice(0, 8).map(([address]) => address))
  expect(asked).toEqual(names.slice(0, 8))
})

test('no name is looked up for a dial that was given up', async () => {
  const { policy, asked, resolver } = resolving({ '/dnsaddr/peer.example': ['/ip4/8.8.8.8/tcp/1'] })
  policy.note('/dnsaddr/peer.example', 'rest')
  await expect(resolver.resolve(multiaddr('/dnsaddr/peer.example'), { log, signal: AbortSignal.abort() })).rejects.toThrow()
  expect(asked).toEqual([])
})

test('resolves what the resolver behind it does, by default dnsaddr only', () => {
  const policy = createDialPolicy({ dialPrivate: true })
  for (const resolver of [resolving({}).resolver, createDnsaddrResolver(policy)]) {
    expect(resolver.canResolve(multiaddr('/dnsaddr/peer.example'))).toBe(true)
    expect(resolver.canResolve(multiaddr('/dns4/peer.example/tcp/1'))).toBe(false)
  }
})

test('a failed resolution is passed on, and leaves nothing noted', async () => {
  const policy = createDialPolicy({ dialPrivate: true })
  policy.note('/dnsaddr/peer.example', 'rest')
  const failing = { canResolve: () => true, resolve: () => Promise.reject(new Error('SERVFAIL')) }
  await expect(createDnsaddrResolver(policy, failing).resolve(multiaddr('/dnsaddr/peer.example'), { log })).rejects.toThrow('SERVFAIL')
})
