import { onTestFinished } from 'vitest'
import { decodeHistoryRequest, type HistoryRequest, historyProtocol } from '../../src/catch-up/history-protocol.ts'
import type { P2PEngine } from '../../src/engine/engine.ts'
import { memoryNode, type Party } from '../fixtures/party.ts'

/** Limits of a gateway that asks its peers ten times a second. */
export const often = { historyIntervalMs: 100 }

/** The data of a topic in the log of a gateway. */
export const stored = async ({ rest }: Party, topic = 'orders') => (await rest.history(`topic=${topic}`)).map(({ data }) => data)

/** What became of the messages that a gateway was given by its peers' logs. */
export const outcomes = async ({ gateway }: Party) => {
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  const lines = text.matchAll(/^peergate_received_past_messages_total\{outcome="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries(Array.from(lines, ([, name, count]) => [name, Number(count)]))
}

export async function part(one: Party, other: Party): Promise<void> {
  await one.engine.hangUp(other.peerId)
}

export async function join(parties: Party[], topic = 'orders'): Promise<void> {
  for (const { rest } of parties) await rest.call('PUT', `/v1/topics/${topic}`)
}

/** Asks for what there is of a topic. */
export const list: HistoryRequest = { type: 'list', topics: ['orders'], after: null, maxAgeMs: 60_000 }
export const requestOptions = () => ({ signal: AbortSignal.timeout(20_000), maxAnswerBytes: 1_000_000 })

/** A peer that offers what the test says. */
export async function impostor(victim: Party, offer: (request: HistoryRequest) => Uint8Array | Promise<Uint8Array>): Promise<P2PEngine> {
  const engine = await memoryNode()
  await engine.start()
  onTestFinished(() => engine.stop())
  await engine.handle(historyProtocol, async ({ body }) => offer(decodeHistoryRequest(body)), {
    maxRequestBytes: 1_000_000,
    maxConcurrent: 9,
  })
  await engine.subscribe('orders')
  await engine.dial(await victim.address(), { signal: AbortSignal.timeout(20_000), source: 'rest' })
  return engine
}
