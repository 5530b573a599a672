import type { Logger } from 'pino'
import { onTestFinished } from 'vitest'
import { type Clock, createClock } from '../../src/clock/clock.ts'
import type { GatewayInit } from '../../src/gateway/gateway.ts'
import { createGateway } from '../../src/gateway/gateway.ts'
import { defaultLimits, type Limits } from '../../src/limits.ts'
import type { Store } from '../../src/store/store.ts'
import { loopbackHttp } from '../fixtures/gateway-pair.ts'
import { patientDelayMs } from '../fixtures/gateway-process.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import type { StoppedTime } from '../fixtures/stopped-time.ts'

export const adminToken = 'the-token-of-the-operator'

export interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown> & { code?: string; items?: Array<Record<string, unknown>> }
}

/** A gateway whose operator has a token, and how to call it with one. */
export async function gatewayWithTokens(
  init: Partial<GatewayInit> & { store?: Store; limits?: Limits; logger?: Logger; clock?: Clock; time?: StoppedTime } = {},
) {
  const { store = createMemoryStore(), http, access, webhookHosts = [], logger = silentLog } = init
  const limits = { ...(init.limits ?? defaultLimits), maxEventLoopDelayMs: patientDelayMs }
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const settings = {
    http: { ...loopbackHttp, ...http },
    access: { insecure: false, adminToken, jwt: noJwt, ...access },
    webhookHosts,
    limits,
  }
  const clock = init.clock ?? (init.time === undefined ? undefined : stoppedClock(init.time, { limits, store, logger }))
  const gateway = createGateway(settings, { store, engine, logger, ...(clock === undefined ? {} : { clock }) })
  await gateway.start()
  onTestFinished(() => gateway.stop())

  async function call(
    method: string,
    path: string,
    options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const { token, body, headers } = options
    const answer = await fetch(gateway.url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text.startsWith('{') ? JSON.parse(text) : {} }
  }

  async function tokenFor(actions: string[], topics = ['>'], more: Record<string, unknown> = {}): Promise<{ id: string; secret: string }> {
    const { status, body } = await call('POST', '/v1/tokens', { token: adminToken, body: { name: 'test', actions, topics, ...more } })
    if (status !== 201) throw new Error(`no token was made: ${JSON.stringify(body)}`)
    return { id: String(body['id']), secret: String(body['secret']) }
  }

  return { gateway, store, call, tokenFor }
}

export const noJwt = { jwksUrl: undefined, secret: undefined, issuer: undefined, audience: undefined }

function stoppedClock({ aheadMs }: StoppedTime, { limits, store, logger }: { limits: Limits; store: Store; logger: Logger }): Clock {
  const clocks = { wall: () => Date.now() + aheadMs(), monotonic: () => performance.now() + aheadMs() }
  return createClock({ limits }, { store: store.clock, logger, ...clocks })
}
