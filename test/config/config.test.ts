import { describe, expect, test } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'

const minimal = { LIBP2P_ENABLED: 'true' }

/** The problems of an environment, as `VARIABLE problem`. */
function problems(env: Record<string, string>): string[] {
  try {
    loadConfig({ ...minimal, ...env })
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ variable, problem }) => `${variable} ${problem}`)
    throw error
  }
  return []
}

test('has defaults for everything, on either engine', () => {
  const config = loadConfig({})
  expect(config.http).toMatchObject({ host: '127.0.0.1', port: 7070 })
  expect(config.store.url).toMatch(/^file:\/\/.*\/data\/peergate\.db$/)
  expect(config.limits.maxMessageBytes).toBe(1_048_576)
  expect(config.warnings).toEqual([])
})

test('listens by default on what the engine speaks', () => {
  expect(loadConfig({}).engine).toMatchObject({ kind: 'custom', listen: ['/ip4/0.0.0.0/tcp/7071/ws'] })
  expect(loadConfig({ LIBP2P_ENABLED: 'false' }).engine.kind).toBe('custom')
  expect(loadConfig(minimal).engine).toMatchObject({ kind: 'libp2p', listen: expect.arrayContaining(['/ip4/0.0.0.0/tcp/7071']) })
})

test('WebRTC is off by default, and with either engine on by request', () => {
  const on = { PEERGATE_WEBRTC: 'true', PEERGATE_STUN_PORT: '3478' }
  expect(loadConfig({ LIBP2P_ENABLED: 'false' }).engine.webRtc).toBeUndefined()
  for (const environment of [minimal, { LIBP2P_ENABLED: 'false' }]) {
    expect(loadConfig({ ...environment, ...on }).engine.webRtc).toEqual({ stunPort: 3_478 })
  }
})

test('ports of a router are used by default, and libp2p relays by default once it is reachable', () => {
  expect(loadConfig({}).engine).toMatchObject({ portMapping: true, relay: true })
  expect(loadConfig(minimal).engine).toMatchObject({ portMapping: true, relay: 'when-reachable' })
  expect(loadConfig({ ...minimal, PEERGATE_PORT_MAPPING: 'false', PEERGATE_RELAY: 'false' }).engine).toMatchObject({
    portMapping: false,
    relay: false,
  })
  expect(loadConfig({ PEERGATE_PORT_MAPPING: 'false' }).engine).toMatchObject({ portMapping: false, relay: true })
})

describe('what does not fit the engine is an error that names the variable', () => {
  const custom = { LIBP2P_ENABLED: 'false' }
  const privateNetwork = { PEERGATE_PRIVATE_NETWORK_KEY: '0f'.repeat(32) }
  test.each([
    [{ ...custom, PEERGATE_LISTEN: '/ip4/0.0.0.0/udp/7071/quic-v1' }, /^PEERGATE_LISTEN .*WebSocket only.*LIBP2P_ENABLED=true/],
    [{ ...custom, PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071' }, /^PEERGATE_LISTEN .*WebSocket only/],
    [{ ...custom, PEERGATE_LISTEN: '/ip4/192.0.2.1/tcp/7071/ws/p2p-circuit' }, /^PEERGATE_LISTEN .*a relayed address is written/],
    [{ ...custom, PEERGATE_LISTEN: '/dns/gateway.example/tcp/7071/ws' }, /^PEERGATE_LISTEN .*it is a name/],
    [{ ...custom, PEERGATE_BOOTSTRAP: '/ip4/192.0.2.7/tcp/7071' }, /^PEERGATE_BOOTSTRAP .*WebSocket only/],
    [{ ...custom, PEERGATE_BOOTSTRAP: 'http://192.0.2.7' }, /^PEERGATE_BOOTSTRAP .*ws:\/\//],
    [{ ...custom, PEERGATE_ANNOUNCE: '/ip4/192.0.2.7/udp/7071/quic-v1' }, /^PEERGATE_ANNOUNCE .*WebSocket only/],
    [{ ...custom, PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071/wss', PEERGATE_TLS_KEY_FILE: 'a.key' }, /^PEERGATE_TLS_CERT_FILE is not set/],
    [{ ...custom, PEERGATE_TLS_CERT_FILE: 'a.crt' }, /^PEERGATE_TLS_KEY_FILE is not set/],
    [{ PEERGATE_TLS_CERT_FILE: 'a.crt' }, /^PEERGATE_TLS_CERT_FILE .*custom engine/],
    [{ ...custom, PEERGATE_DHT: 'lan' }, /^PEERGATE_DHT is lan.*LIBP2P_ENABLED=true/],
    [{ PEERGATE_BOOTSTRAP: 'ws://192.0.2.7:7071' }, /^PEERGATE_BOOTSTRAP .*ws:\/\//],
    [{ ...custom, ...privateNetwork }, /^PEERGATE_PRIVATE_NETWORK_KEY .*LIBP2P_ENABLED=true/],
    [{ PEERGATE_PRIVATE_NETWORK_KEY: 'secret' }, /^PEERGATE_PRIVATE_NETWORK_KEY must be 64 hexadecimal digits/],
    [{ ...privateNetwork, PEERGATE_DHT: 'public' }, /^PEERGATE_DHT is public, but PEERGATE_PRIVATE_NETWORK_KEY/],
    [{ ...privateNetwork, PEERGATE_LISTEN: '/ip4/0.0.0.0/udp/7071/quic-v1' }, /^PEERGATE_LISTEN .*QUIC can't be used/],
  ])('%o', (env, expected) => {
    expect(problems(env)).toEqual([expect.stringMatching(expected)])
  })
})

test('the custom engine takes addresses as multiaddrs and as ws://host:port', () => {
  const addresses = 'ws://192.0.2.7:7071,wss://gateway.example,/ip4/192.0.2.7/tcp/7071/ws,ws://[2001:db8::1]:7071'
  expect(loadConfig({ PEERGATE_BOOTSTRAP: addresses }).engine.bootstrap).toHaveLength(4)
})

describe('names the variable and the fix', () => {
  test.each([
    [{ LIBP2P_ENABLED: 'yes' }, /^LIBP2P_ENABLED must be true or false/],
    [{ PEERGATE_HTTP_PORT: '70700' }, /^PEERGATE_HTTP_PORT must be a whole number from 0 to 65535/],
    [{ PEERGATE_HTTP_PORT: '7e3' }, /^PEERGATE_HTTP_PORT must be/],
    [{ PEERGATE_ADMIN_TOKEN: 'short' }, /^PEERGATE_ADMIN_TOKEN .*16/],
    [{ PEERGATE_ADMIN_TOKEN: 'x'.repeat(16), PEERGATE_ADMIN_TOKEN_FILE: '/t' }, /^PEERGATE_ADMIN_TOKEN_FILE .*one of them/],
    [{ PEERGATE_JWT_JWKS_URL: 'idp', PEERGATE_JWT_AUDIENCE: 'a' }, /^PEERGATE_JWT_JWKS_URL .*"idp"/],
    [{ PEERGATE_JWT_SECRET: 'x'.repeat(31), PEERGATE_JWT_AUDIENCE: 'a' }, /^PEERGATE_JWT_SECRET .*32/],
    [{ PEERGATE_JWT_SECRET: 'x'.repeat(32) }, /^PEERGATE_JWT_AUDIENCE .*missing/],
    [{ PEERGATE_TRUSTED_PROXIES: '10.0.0.0/33' }, /^PEERGATE_TRUSTED_PROXIES .*10\.0\.0\.0\/33/],
    [{ PEERGATE_TRUSTED_PROXIES: 'proxy.example' }, /^PEERGATE_TRUSTED_PROXIES .*proxy\.example/],
    [{ PEERGATE_LISTEN: 'ws://0.0.0.0:7071' }, /^PEERGATE_LISTEN .*ws:\/\/0\.0\.0\.0:7071/],
    [{ PEERGATE_LISTEN: '/ip4/0.0.0.0/udp/7071/webrtc-direct' }, /^PEERGATE_LISTEN .*webrtc/],
    [{ PEERGATE_BOOTSTRAP: '/ip4/127.0.0.1/tcp/7071' }, /^PEERGATE_BOOTSTRAP .*\/p2p\//],
    [{ PEERGATE_BOOTSTRAP: 'nonsense' }, /^PEERGATE_BOOTSTRAP .*nonsense/],
    [{ PEERGATE_ALLOWED_ORIGINS: 'https://app.example/path' }, /^PEERGATE_ALLOWED_ORIGINS .*https:\/\/app\.example/],
    [{ DATABASE_URL: 'postgresql://db' }, /^DATABASE_URL .*names no database/],
    [{ DATABASE_URL: 'postgresql://db/peergate?schema=other' }, /^DATABASE_URL .*"other"/],
    [{ DATABASE_URL: './peergate.db' }, /^DATABASE_URL .*file:<path>/],
    [{ PEERGATE_LOG_LEVEL: 'loud' }, /^PEERGATE_LOG_LEVEL/],
    [{ PEERGATE_DIAL: 'none' }, /^PEERGATE_DIAL/],
    [{ PEERGATE_DHT: 'amino' }, /^PEERGATE_DHT/],
    [{ PEERGATE_MAX_MESSAGE_BYTES: '0' }, /^PEERGATE_MAX_MESSAGE_BYTES must be a whole number/],
    [{ PEERGATE_MAX_MESSAGE_BYTES: '1MB' }, /^PEERGATE_MAX_MESSAGE_BYTES must be a whole number/],
  ])('%o', (env, expected) => {
    expect(problems(env)).toEqual([expect.stringMatching(expected)])
  })

  test('all of them at once', () => {
    expect(problems({ PEERGATE_HTTP_PORT: 'x', PEERGATE_MAX_MESSAGE_BYTES: 'x', PEERGATE_HTTP_PROT: '1' })).toHaveLength(3)
  })
})

test('takes a misspelt name for an error, and a foreign one for a warning', () => {
  expect(problems({ PEERGATE_HTTP_PROT: '8080' })).toEqual(['PEERGATE_HTTP_PROT is unknown; did you mean PEERGATE_HTTP_PORT?'])
  expect(loadConfig({ ...minimal, PEERGATE_SOMETHING_ELSE_ALTOGETHER: '1' }).warnings).toEqual([
    'PEERGATE_SOMETHING_ELSE_ALTOGETHER is not a variable of Peergate and is ignored',
  ])
})

test('ignores what container platforms inject for services called peergate', () => {
  const config = loadConfig({
    ...minimal,
    PEERGATE_SERVICE_HOST: '10.0.0.7',
    PEERGATE_SERVICE_PORT: '7070',
    PEERGATE_SERVICE_PORT_HTTP: '7070',
    PEERGATE_PORT: 'tcp://10.0.0.7:7070',
    PEERGATE_PORT_7070_TCP: 'tcp://10.0.0.7:7070',
    PEERGATE_PORT_7070_TCP_ADDR: '10.0.0.7',
    PEERGATE_HTTP_SERVICE_HOST: '10.0.0.8',
    PEERGATE_HTTP_PORT: 'tcp://10.0.0.8:80',
  })
  expect(config.http.port).toBe(7070)
  expect(config.warnings).toEqual([])
})

test('counts what is set to nothing as not set', () => {
  expect(loadConfig({ ...minimal, PEERGATE_HTTP_PORT: '', DATABASE_URL: '' }).http.port).toBe(7070)
})

test('joins as many topics by default as peers of the engine accept', () => {
  expect(loadConfig({}).limits.maxJoinedTopics).toBe(10_000)
  expect(loadConfig({}).limits.maxPeerTopics).toBe(10_000)
  expect(loadConfig({ LIBP2P_ENABLED: 'true' }).limits.maxJoinedTopics).toBe(100)
  expect(loadConfig({ PEERGATE_MAX_JOINED_TOPICS: '7' }).limits.maxJoinedTopics).toBe(7)
})

test('sets limits by their names', () => {
  expect(loadConfig({ ...minimal, PEERGATE_MAX_JOINED_TOPICS: '7' }).limits.maxJoinedTopics).toBe(7)
})

test('the variables of the command are no misspelt ones of a gateway', () => {
  expect(loadConfig({ PEERGATE_URL: 'http://127.0.0.1:7070', PEERGATE_TOKEN: 'secret' }).warnings).toEqual([])
})
