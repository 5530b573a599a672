import { expect, test } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'
import type { ConfigProblem } from '../../src/config/problems.ts'
import { someAuthor } from '../fixtures/messages.ts'

type Env = Record<string, string>
type Kind = 'custom' | 'libp2p' | 'both'

function problemsOf(env: Env): ConfigProblem[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

const variablesOf = (problems: ConfigProblem[]) => problems.map(({ variable }) => variable)

const engines = [undefined, 'custom', 'libp2p', 'both'] as const
const flags = [undefined, 'true', 'false'] as const

/** Each way to name an engine, with the engine; none if the two variables contradict each other. */
const choices = engines.flatMap((engine) =>
  flags.map((flag) => {
    const byFlag = flag === 'true' ? 'libp2p' : 'custom'
    const kind: Kind | undefined =
      flag === undefined ? (engine ?? 'custom') : engine === undefined || engine === byFlag ? byFlag : undefined
    const env: Env = {}
    if (engine !== undefined) env['PEERGATE_ENGINE'] = engine
    if (flag !== undefined) env['LIBP2P_ENABLED'] = flag
    return { env, kind }
  }),
)

const key = { PEERGATE_PRIVATE_NETWORK_KEY: '0f'.repeat(32) }
const cert = { PEERGATE_TLS_CERT_FILE: 'a.crt' }
const certKey = { PEERGATE_TLS_KEY_FILE: 'a.key' }
const webSocketPeer = `/ip4/192.0.2.1/tcp/7071/ws/p2p/${someAuthor}`

/** Settings, and the variables that the problems with them name on each engine. On the others they work. */
const settings: Array<[Env, Partial<Record<Kind, string[]>>]> = [
  [{}, {}],
  [{ PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/1/ws' }, {}],
  [{ PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/1' }, { custom: ['PEERGATE_LISTEN'] }],
  [{ PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/1/ws,/ip4/0.0.0.0/udp/1/quic-v1' }, { custom: ['PEERGATE_LISTEN'] }],
  [{ PEERGATE_LISTEN: '/p2p-circuit' }, {}],
  [{ PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/1/wss', ...cert, ...certKey }, { libp2p: ['PEERGATE_LISTEN', 'PEERGATE_TLS_CERT_FILE'] }],
  [{ PEERGATE_ANNOUNCE: '/dns4/gateway.example/tcp/443/wss' }, {}],
  [{ PEERGATE_ANNOUNCE: '/dns4/gateway.example/tcp/443' }, { custom: ['PEERGATE_ANNOUNCE'] }],
  [{ PEERGATE_BOOTSTRAP: webSocketPeer }, {}],
  [{ PEERGATE_BOOTSTRAP: 'ws://192.0.2.1:7071' }, { libp2p: ['PEERGATE_BOOTSTRAP'] }],
  [{ PEERGATE_BOOTSTRAP: `/ip4/192.0.2.1/tcp/1/p2p/${someAuthor}` }, { custom: ['PEERGATE_BOOTSTRAP'] }],
  [{ ...cert, ...certKey }, { libp2p: ['PEERGATE_TLS_CERT_FILE'] }],
  [cert, { custom: ['PEERGATE_TLS_KEY_FILE'], libp2p: ['PEERGATE_TLS_CERT_FILE'], both: ['PEERGATE_TLS_KEY_FILE'] }],
  [certKey, { custom: ['PEERGATE_TLS_CERT_FILE'], libp2p: ['PEERGATE_TLS_KEY_FILE'], both: ['PEERGATE_TLS_CERT_FILE'] }],
  [{ PEERGATE_DHT: 'true' }, {}],
  [{ PEERGATE_DHT: 'false' }, {}],
  [{ PEERGATE_DHT: 'lan' }, { custom: ['PEERGATE_DHT'] }],
  [{ PEERGATE_DHT: 'private' }, { custom: ['PEERGATE_DHT'] }],
  [{ PEERGATE_DHT: 'public' }, { custom: ['PEERGATE_DHT'] }],
  [key, { custom: ['PEERGATE_PRIVATE_NETWORK_KEY'] }],
  [
    { ...key, PEERGATE_DHT: 'public' },
    { custom: ['PEERGATE_PRIVATE_NETWORK_KEY', 'PEERGATE_DHT'], libp2p: ['PEERGATE_DHT'], both: ['PEERGATE_DHT'] },
  ],
  [
    { ...key, PEERGATE_WEBRTC: 'true' },
    { custom: ['PEERGATE_PRIVATE_NETWORK_KEY'], libp2p: ['PEERGATE_WEBRTC'], both: ['PEERGATE_WEBRTC'] },
  ],
  [{ PEERGATE_WEBRTC: 'true', PEERGATE_STUN_PORT: '1' }, {}],
  [{ PEERGATE_RELAY: 'true' }, {}],
  [{ PEERGATE_RELAY: 'false', PEERGATE_PORT_MAPPING: 'false' }, {}],
  [{ PEERGATE_BRIDGE_TOPICS: 'orders.>' }, { custom: ['PEERGATE_BRIDGE_TOPICS'], libp2p: ['PEERGATE_BRIDGE_TOPICS'] }],
]

/** The environment once the operator has done what the problem says: `set NAME=value, without OTHER`. */
function heeding(env: Env, problem: string): Env {
  const [, name = '', value = '', without = ''] = /; set (\w+)=(\w+)(?:, without (\w+))?$/.exec(problem) ?? []
  const { [without]: _, ...others } = env
  return { ...others, [name]: value }
}

test.each(settings)('%o works with each engine, or the problem is named', (env, expected) => {
  for (const { env: choice, kind } of choices) {
    const variables = variablesOf(problemsOf({ ...env, ...choice }))
    const shown = JSON.stringify(choice)
    if (kind === undefined) expect(variables[0], shown).toBe('PEERGATE_ENGINE')
    else expect(variables, shown).toEqual(expected[kind] ?? [])
  }
})

test('what a problem says to set for another engine has neither this problem nor another one with the engine', () => {
  const told = settings.flatMap(([env]) =>
    choices
      .filter(({ kind }) => kind !== undefined)
      .flatMap(({ env: choice }) => {
        const whole = { ...env, ...choice }
        return problemsOf(whole).flatMap(({ variable, problem }) => (/; set \w+=\w+/.test(problem) ? { whole, variable, problem } : []))
      }),
  )
  expect(told.length).toBeGreaterThan(30)
  for (const { whole, variable, problem } of told) {
    const left = problemsOf(heeding(whole, problem))
    expect(
      left.filter((other) => other.variable === 'PEERGATE_ENGINE' || other.problem === problem),
      `${variable} ${problem}`,
    ).toEqual([])
  }
})
