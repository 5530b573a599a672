import { expect, test } from 'vitest'
import { createDialGate } from '../../../src/engine/dial/gate.ts'
import { createDialPolicy } from '../../../src/engine/dial/policy.ts'
import { createLimitsReached } from '../../../src/engine/limits-reached.ts'
import { createAllowances } from '../../../src/engine/reach/allowance.ts'
import { createSessions, type Session } from '../../../src/engine/webrtc/sessions.ts'
import { defaultLimits } from '../../../src/limits.ts'
import type { PunchOutcome } from '../../../src/telemetry/network-metrics.ts'

const relay = { ip: '11.0.0.1', isRelayed: true }

const allowance = createAllowances(() => 1_000_000)({})

/** A connection that a peer begins. */
const byPeer = (peerId: string, relayId = 'r') => ({ peerId, relayId, begunBy: 'peer' }) as const

function setUp(max = defaultLimits.maxWebrtcConnections) {
  let now = 0
  const reached = createLimitsReached()
  const outcomes: PunchOutcome[] = []
  const policy = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => ['192.168.1.2/24'] })
  const gate = createDialGate({ policy, now: () => now })
  const limits = { ...defaultLimits, maxWebrtcConnections: max }
  const sessions = createSessions({ limits }, { gate, policy, reached, onOutcome: (each) => void outcomes.push(each), now: () => now })
  return { sessions, reached, outcomes, pass: (ms: number) => (now += ms) }
}

/** Whether packets may be sent to the address. */
async function mayUse(session: Session, ip: string, port = 9): Promise<boolean> {
  let isUsed = false
  session.judge({ ip, port }, { teller: relay, allowance }, () => {
    isUsed = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  return isUsed
}

test('nothing is sent to private, local and reserved addresses that a peer names over a relay', async () => {
  const session = setUp().sessions.begin(byPeer('a'))
  expect(await mayUse(session, '11.0.0.9')).toBe(true)
  for (const ip of ['192.168.1.7', '10.0.0.1', '127.0.0.1', '169.254.169.254', '224.0.0.1', '::1', 'fd00::1']) {
    expect(await mayUse(session, ip)).toBe(false)
  }
})

test('of one peer a few addresses are tried', async () => {
  const session = setUp().sessions.begin(byPeer('a'))
  const tried: boolean[] = []
  for (let host = 1; host <= 20; host++) tried.push(await mayUse(session, `11.0.1.${host}`))
  expect(tried.filter(Boolean)).toHaveLength(12)
})

test('peers that name a victim cannot have this node send to many of its ports', async () => {
  const { sessions, pass } = setUp()
  let used = 0
  for (let peer = 0; peer < 20; peer++) {
    pass(1_000)
    const session = sessions.begin(byPeer(`peer ${peer}`, `r${peer}`))
    for (let port = 1; port <= 12; port++) if (await mayUse(session, '11.0.0.66', peer * 100 + port)) used++
    session.connected({ ip: '11.0.0.9', port: 9 })
    session.end()
  }
  expect(used).toBeGreaterThan(0)
  expect(used).toBeLessThan(20)
})

test('a peer has two places, and the peers of one relay leave others a share', () => {
  const { sessions, reached, pass } = setUp(8)
  const begin = (peerId: string, relayId: string) => {
    pass(60_000)
    return sessions.begin(byPeer(peerId, relayId))
  }
  begin('a', 'r')
  begin('a', 'r')
  expect(() => begin('a', 'r')).toThrow('maximum')
  const taken = ['b', 'c', 'd', 'e'].map((peerId) => begin(peerId, 'r'))
  expect(() => begin('f', 'r')).toThrow('maximum')
  begin('f', 'another relay')
  expect(reached.counts.webrtc).toBe(2)
  for (const session of taken) session.end()
  begin('g', 'another relay')
})

test('peers, however many and behind however many relays, leave this node places and a rate of its own', () => {
  const { sessions } = setUp(16)
  const begin = (peerId: string, begunBy: 'peer' | 'own') => sessions.begin({ peerId, relayId: `relay ${peerId}`, begunBy })
  for (let peer = 0; peer < 14; peer++) begin(`stranger ${peer}`, 'peer')
  expect(() => begin('late', 'peer')).toThrow('maximum')
  for (let peer = 0; peer < 2; peer++) begin(`friend ${peer}`, 'own')
  expect(() => begin('third', 'own')).toThrow('maximum')

  const { sessions: others } = setUp()
  const again = (peer: number) => others.begin(byPeer(`stranger ${peer}`, `relay ${peer}`)).end()
  for (let peer = 0; peer < 30; peer++) again(peer)
  expect(() => again(30)).toThrow('maximum')
  others.begin({ peerId: 'friend', relayId: 'relay', begunBy: 'own' }).end()
})

test('a peer that begins again and again has to wait', () => {
  const { sessions, pass } = setUp()
  const begin = () => sessions.begin(byPeer('a')).end()
  for (let times = 0; times < 5; times++) begin()
  expect(begin).toThrow('maximum')
  pass(60_000)
  begin()
})

test('a connection holds its place until it ends', () => {
  const { sessions, pass } = setUp()
  const begin = () => {
    pass(60_000)
    return sessions.begin(byPeer('a'))
  }
  const connections = [begin(), begin()]
  for (const session of connections) session.connected(undefined)
  expect(begin).toThrow('maximum')
  connections[0]?.end()
  begin()
  expect(begin).toThrow('maximum')
})

test('tells once of each session whether its peer was reached, and of none that had no place', () => {
  const { sessions, outcomes } = setUp(1)
  const reached = sessions.begin(byPeer('a'))
  expect(() => sessions.begin(byPeer('b'))).toThrow('maximum')
  reached.connected({ ip: '11.0.0.9', port: 9 })
  reached.end()
  const failed = sessions.begin(byPeer('b'))
  failed.end()
  failed.end()
  expect(outcomes).toEqual(['succeeded', 'failed'])
})
