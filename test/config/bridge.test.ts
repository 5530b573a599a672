import { describe, expect, test } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'
import { settingsOfSides } from '../../src/engine/settings.ts'
import { someAuthor } from '../fixtures/messages.ts'

const bridge = { PEERGATE_ENGINE: 'both' }

/** The problems of an environment, as `VARIABLE problem`. */
function problems(env: Record<string, string>): string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ variable, problem }) => `${variable} ${problem}`)
    throw error
  }
  return []
}

const sidesOf = (env: Record<string, string> = {}) => settingsOfSides(loadConfig({ ...bridge, ...env }).engine)

test('PEERGATE_ENGINE names the engine, and may say the same as LIBP2P_ENABLED', () => {
  for (const kind of ['custom', 'libp2p', 'both'] as const) expect(loadConfig({ PEERGATE_ENGINE: kind }).engine.kind).toBe(kind)
  expect(loadConfig({ PEERGATE_ENGINE: 'libp2p', LIBP2P_ENABLED: 'true' }).engine.kind).toBe('libp2p')
  expect(loadConfig({ PEERGATE_ENGINE: 'custom', LIBP2P_ENABLED: 'false' }).engine.kind).toBe('custom')
})

test.each([
  ['custom', 'true'],
  ['libp2p', 'false'],
  ['both', 'true'],
  ['both', 'false'],
])('PEERGATE_ENGINE=%s with LIBP2P_ENABLED=%s is an error that names both', (engine, flag) => {
  expect(problems({ PEERGATE_ENGINE: engine, LIBP2P_ENABLED: flag })).toEqual([
    `PEERGATE_ENGINE is ${engine}, but LIBP2P_ENABLED is ${flag}; set only one of them`,
  ])
})

describe('a bridge', () => {
  test('has defaults: both networks, every topic, and relays as a gateway of each network does', () => {
    const { engine } = loadConfig(bridge)
    expect(engine).toMatchObject({ kind: 'both', portMapping: true, bridgeTopics: ['>'] })
    const { custom, libp2p } = settingsOfSides(engine)
    expect([custom.relay, libp2p.relay]).toEqual([true, 'when-reachable'])
    for (const [value, relay] of [
      ['true', true],
      ['false', false],
    ] as const) {
      const told = sidesOf({ PEERGATE_RELAY: value })
      expect([told.custom.relay, told.libp2p.relay]).toEqual([relay, relay])
    }
    expect([custom.kind, libp2p.kind]).toEqual(['custom', 'libp2p'])
    expect([custom.portMapping, libp2p.portMapping]).toEqual([true, true])
    expect(custom.listen).toEqual(['/ip4/0.0.0.0/tcp/7071/ws'])
    expect(libp2p.listen).toEqual(['/ip4/0.0.0.0/tcp/7072', '/ip4/0.0.0.0/udp/7072/quic-v1'])
  })

  test('listens and announces for the custom network at WebSocket addresses, for libp2p at the others, and through relays on both', () => {
    const { custom, libp2p } = sidesOf({
      PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/1/ws,/ip4/0.0.0.0/tcp/2,/ip4/0.0.0.0/udp/3/quic-v1,/p2p-circuit',
      PEERGATE_ANNOUNCE: '/dns4/gateway.example/tcp/443/wss,/dns4/gateway.example/tcp/2',
    })
    expect(custom.listen).toEqual(['/ip4/0.0.0.0/tcp/1/ws', '/p2p-circuit'])
    expect(libp2p.listen).toEqual(['/ip4/0.0.0.0/tcp/2', '/ip4/0.0.0.0/udp/3/quic-v1', '/p2p-circuit'])
    expect([custom.announce, libp2p.announce]).toEqual([['/dns4/gateway.example/tcp/443/wss'], ['/dns4/gateway.example/tcp/2']])
  })

  test('dials peers at the addresses that each engine knows: a WebSocket multiaddr may be of either network', () => {
    const [webSocket, tcp] = [`/ip4/192.0.2.2/tcp/7071/ws/p2p/${someAuthor}`, `/ip4/192.0.2.3/tcp/7072/p2p/${someAuthor}`]
    const { custom, libp2p } = sidesOf({ PEERGATE_BOOTSTRAP: ['ws://192.0.2.1:7071', webSocket, tcp].join(',') })
    expect(custom.bootstrap).toEqual(['ws://192.0.2.1:7071', webSocket])
    expect(libp2p.bootstrap).toEqual([webSocket, tcp])
  })

  test('gives each engine the settings that only it has', () => {
    const key = '0f'.repeat(32)
    const { custom, libp2p } = sidesOf({
      PEERGATE_PRIVATE_NETWORK_KEY: key,
      PEERGATE_DHT: 'private',
      PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/1/wss,/ip4/0.0.0.0/tcp/2',
      PEERGATE_TLS_CERT_FILE: 'a.crt',
      PEERGATE_TLS_KEY_FILE: 'a.key',
    })
    expect(custom).toMatchObject({ privateNetworkKey: undefined, dht: 'true', tls: { certFile: 'a.crt', keyFile: 'a.key' } })
    expect(libp2p).toMatchObject({ privateNetworkKey: key, dht: 'private', tls: { certFile: undefined, keyFile: undefined } })
    expect(sidesOf({ PEERGATE_DHT: 'false' })).toMatchObject({ custom: { dht: 'false' }, libp2p: { dht: 'false' } })
  })

  test.each([
    [{ PEERGATE_LISTEN: '/ip4/0.0.0.0/udp/7071/webrtc-direct' }, /^PEERGATE_LISTEN .*webrtc/],
    [{ PEERGATE_BOOTSTRAP: 'http://192.0.2.7' }, /^PEERGATE_BOOTSTRAP .*http:\/\/192\.0\.2\.7/],
    [{ PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/1/wss' }, /^PEERGATE_TLS_CERT_FILE is not set/],
    [{ PEERGATE_PRIVATE_NETWORK_KEY: 'short' }, /^PEERGATE_PRIVATE_NETWORK_KEY must be 64/],
    [{ PEERGATE_BRIDGE_TOPICS: 'orders.>,a.>.b' }, /^PEERGATE_BRIDGE_TOPICS has "a\.>\.b"/],
  ])('has the problems of either engine: %o', (env, expected) => {
    expect(problems({ ...bridge, ...env })).toContainEqual(expect.stringMatching(expected))
  })

  test('has each problem of an address once', () => {
    expect(problems({ ...bridge, PEERGATE_BOOTSTRAP: 'http://192.0.2.7' })).toHaveLength(1)
  })
})

test('PEERGATE_BRIDGE_TOPICS is for bridges', () => {
  expect(loadConfig({ ...bridge, PEERGATE_BRIDGE_TOPICS: 'orders.>, news' }).engine.bridgeTopics).toEqual(['orders.>', 'news'])
  expect(problems({ PEERGATE_BRIDGE_TOPICS: 'orders.>' })).toEqual([
    'PEERGATE_BRIDGE_TOPICS is set, which is for a bridge; set PEERGATE_ENGINE=both',
  ])
})
