import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { NodeView } from '../../src/model/node.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest, type Published, type Rest } from '../fixtures/rest.ts'
import { openStream, type StreamClient } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** A gateway on libp2p, in a process of its own, and a client of it. It ends with the test. */
export interface GatewaySide {
  readonly process: GatewayProcess
  readonly rest: Rest
  /** Its environment, to start it again. */
  readonly env: Record<string, string>
}

/** How each transport is listened on, on a free port of this host. */
export const listenOn = {
  TCP: '/ip4/127.0.0.1/tcp/0',
  QUIC: '/ip4/127.0.0.1/udp/0/quic-v1',
  WebSocket: '/ip4/127.0.0.1/tcp/0/ws',
}
export type Transport = keyof typeof listenOn

export async function startGatewaySide(env: Record<string, string> = {}): Promise<GatewaySide> {
  const directory = await temporaryDirectory()
  return await restartGatewaySide({
    ...quietEnvironment(join(directory, 'data'), 'libp2p'),
    PEERGATE_DHT: 'false',
    ...env,
  })
}

/** Starts one on what another with the same environment has left. */
export async function restartGatewaySide(env: Record<string, string>): Promise<GatewaySide> {
  const process = await gatewayForTest(env)
  return { process, rest: createRest(process.url), env }
}

/** Follows a topic from now on, to the end of the test. */
export async function follow({ process }: GatewaySide, topic: string): Promise<StreamClient> {
  const stream = await openStream(process.url, { query: `?topic=${encodeURIComponent(topic)}` })
  onTestFinished(() => stream[Symbol.asyncDispose]())
  await stream.expect('caught-up')
  return stream
}

/** Dials a peer, as a client asks for it. */
export async function dialFrom({ rest }: GatewaySide, multiaddr: string): Promise<void> {
  const answer = await rest.call('POST', '/v1/peers', { multiaddr })
  expect(answer).toMatchObject({ status: 201, body: { state: 'connected' } })
}

/** Publishes bytes to a topic as one request. @returns what was answered for each */
export async function post({ rest }: GatewaySide, topic: string, data: readonly Uint8Array[]): Promise<Published[]> {
  const messages = data.map((bytes) => ({ topic, data: Buffer.from(bytes).toString('base64'), encoding: 'base64' }))
  const { status, body } = await rest.call<{ items: Published[] }>('POST', '/v1/messages', { messages })
  expect(status, JSON.stringify(body)).toBe(201)
  return body.items
}

/** Waits until the gateway knows so many peers that have joined a topic. */
export async function untilSubscribed({ rest }: GatewaySide, topic: string, peers: number): Promise<void> {
  await expect.poll(async () => (await rest.get(`/v1/topics/${encodeURIComponent(topic)}`))['subscribers']).toBe(peers)
}

/** The largest data that the gateway takes. */
export async function largestMessage({ rest }: GatewaySide): Promise<number> {
  const { limits } = await rest.get<NodeView>('/v1/node')
  const { maxMessageBytes } = limits
  if (maxMessageBytes === undefined) throw new Error('the gateway does not say how large a message may be')
  return maxMessageBytes
}
