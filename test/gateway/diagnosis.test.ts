import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../src/config/config.ts'
import { DatabaseFull } from '../../src/errors.ts'
import { createDiagnosis } from '../../src/gateway/diagnosis/diagnosis.ts'
import { diskFinding, judgeClock, judgeDescriptors, judgeDisk, judgeProxy } from '../../src/gateway/diagnosis/machine.ts'
import { judgeNode } from '../../src/gateway/diagnosis/node.ts'
import { neededPorts, portFindings } from '../../src/gateway/diagnosis/ports.ts'
import { defaultLimits } from '../../src/limits.ts'
import { type Finding, findingSchema } from '../../src/model/finding.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** Each finding that is not fine says what to do. */
function stateOf(finding: Finding): string {
  expect(findingSchema.parse(finding)).toEqual(finding)
  expect(finding.fix === undefined).toBe(finding.state === 'ok')
  return finding.state
}

const gib = 2 ** 30

test.each([
  [64 * 2 ** 20 - 1, true, 'problem'],
  [64 * 2 ** 20, true, 'warning'],
  [gib - 1, true, 'warning'],
  [gib, true, 'ok'],
  [gib, false, 'problem'],
])('a disk with %i free bytes (room for files: %s) is: %s', (freeBytes, hasFiles, state) => {
  expect(stateOf(judgeDisk({ directory: '/data', freeBytes, hasFiles }))).toBe(state)
})

test('the disk of a directory that is not there yet is that of the one above', async () => {
  expect((await diskFinding(`${await temporaryDirectory()}/not/yet`)).detail).toContain('MiB')
})

const now = Date.UTC(2026, 5, 1)

test.each([
  ['in the past', { now: Date.UTC(1970, 0, 2) }, 'problem'],
  ['behind the files of the gateway', { now, newest: now + 5_001 }, 'warning'],
  ['just behind the files of the gateway', { now, newest: now + 5_000 }, 'ok'],
  ['behind the gateway', { now, other: { whose: 'the gateway', at: now + 5_001 } }, 'warning'],
  ['ahead of the gateway', { now, other: { whose: 'the gateway', at: now - 5_001 } }, 'warning'],
  ['that has stepped', { now, other: { whose: 'the database', at: now - 5_001 }, isHeld: true }, 'warning'],
  ['with the gateway', { now, other: { whose: 'the gateway', at: now - 5_000 } }, 'ok'],
])('a clock %s is judged', (_, clocks, state) => {
  expect(stateOf(judgeClock(clocks))).toBe(state)
})

test('few descriptors are a warning, with the limits that a gateway lowers for them', () => {
  const few = judgeDescriptors({ limits: defaultLimits, descriptors: 256, listeners: 2 })
  expect(stateOf(few)).toBe('warning')
  expect(few.detail).toMatch(/maxHttpConnections is \d+ instead of/)
  expect(stateOf(judgeDescriptors({ limits: defaultLimits, descriptors: 1_000_000, listeners: 2 }))).toBe('ok')
})

test.each([
  [[], [], 'ok'],
  [['gateway.example.org'], [], 'warning'],
  [['gateway.example.org'], ['10.0.0.1'], 'ok'],
  [[], ['10.0.0.1', '0.0.0.0/0'], 'problem'],
  [[], ['::/0'], 'problem'],
])('with the hosts %j and the proxies %j the headers of proxies are: %s', (allowedHosts, trustedProxies, state) => {
  expect(stateOf(judgeProxy({ host: '127.0.0.1', allowedHosts, trustedProxies }))).toBe(state)
})

test('a proxy that is not trusted is spoken of for an hour after its last request', () => {
  const forwarding = { address: '192.0.2.7', at: now }
  const settings = { host: '127.0.0.1', allowedHosts: [], trustedProxies: ['10.0.0.1'] }
  const warning = judgeProxy(settings, forwarding, now + 3_600_000)
  expect([stateOf(warning), warning.detail]).toEqual(['warning', expect.stringContaining('192.0.2.7')])
  expect(stateOf(judgeProxy(settings, forwarding, now + 3_600_001))).toBe('ok')
})

test('a taken port is a problem with its variable, unless the gateway has it', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const { port } = address
  const env = {
    PEERGATE_HTTP_PORT: String(port),
    PEERGATE_METRICS_PORT: '0',
    LIBP2P_ENABLED: 'true',
    PEERGATE_LISTEN: `/ip4/192.0.2.1/tcp/${port},/ip4/127.0.0.1/udp/${port}/quic-v1,/ip4/127.0.0.1/tcp/${port}/ws`,
  }
  const ports = neededPorts(loadConfig(env))
  expect(ports.map(({ protocol, variable }) => `${protocol} ${variable}`)).toEqual([
    'tcp PEERGATE_HTTP_PORT',
    'tcp PEERGATE_LISTEN',
    'udp PEERGATE_LISTEN',
    'tcp PEERGATE_LISTEN',
  ])
  const found = await portFindings(ports, { isRunning: false })
  expect(found.map(stateOf)).toEqual(['problem', 'problem', 'problem'])
  expect(found.map(({ detail, fix }) => `${detail} ${fix}`)).toEqual([
    expect.stringMatching(/EADDRINUSE.*PEERGATE_HTTP_PORT/),
    expect.stringMatching(/EADDRNOTAVAIL.*PEERGATE_LISTEN/),
    expect.stringMatching(/EADDRINUSE.*PEERGATE_LISTEN/),
  ])
  expect((await portFindings(ports, { isRunning: true })).map(stateOf)).toEqual(['ok'])
})

test.each([
  ['direct', 'ok'],
  ['unknown', 'ok'],
  ['hidden', 'warning'],
])('a gateway whose reachability is %s is: %s', (state, expected) => {
  const reachability = { state, confirmed: [], observed: [], relays: [] }
  const networks = [{ engine: 'custom', multiaddrs: [], reachability, peers: 1 }]
  expect(judgeNode({ peerId: 'me', networks, identityConflicts: [] }).map(stateOf)).toEqual([expected])
})

const machine = { warnings: [], listeners: 1, limits: defaultLimits }
const http = { host: '127.0.0.1', allowedHosts: [], trustedProxies: [] }
const engine = { peerId: 'me', networks: [], conflicts: async () => [] }
const position = async () => ({ epoch: 'memory', tip: 0, earliest: 0, prunedThrough: 0, pruneCount: 0, messages: 0 })
const probes = { store: { position }, writes: { failure: undefined }, damaged: () => false }
const clock = { now: () => Date.now(), isHeld: false }

test('a running gateway is examined with its machine, and also while its database does not answer', async () => {
  const settings = { ...machine, dataDir: await temporaryDirectory() }
  const all = await createDiagnosis({ http, machine: settings }, { engine, probes, clock }).findings()
  expect(all.map(({ check }) => check)).toEqual(['configuration', 'clock', 'disk', 'descriptors', 'database', 'proxy'])
  const failing = { ...probes, writes: { failure: new DatabaseFull('The disk of the database is full.') } }
  const failingToo = createDiagnosis({ http }, { engine, probes: failing, clock })
  failingToo.sawForwarding('192.0.2.7')
  expect((await failingToo.findings()).map((finding) => [finding.check, stateOf(finding)])).toEqual([
    ['clock', 'ok'],
    ['database', 'problem'],
    ['proxy', 'warning'],
  ])
})

test('a second node with the peer id is a problem, and those of others are none', () => {
  const conflictOf = (peerId: string) => ({ peerId, multiaddrs: [], toldBy: null, lastSeen: '2026-06-01T00:00:00Z' })
  expect(judgeNode({ peerId: 'me', networks: [], identityConflicts: [conflictOf('other')] })).toEqual([])
  expect(judgeNode({ peerId: 'me', networks: [], identityConflicts: [conflictOf('me')] }).map(stateOf)).toEqual(['problem'])
})
