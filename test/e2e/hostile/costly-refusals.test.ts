/** Input whose refusal costs more than the input: long arrays, many keys, long names, deep nesting, in bodies, queries and frames. */
import { encode } from 'cborg'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { adminToken, startSmallGateway } from '../../fixtures/small-gateway.ts'

const numbers = `[${'0,'.repeat(739_999)}0]`
const keys = (length: number, count: number) => Array.from({ length: count }, (_, index) => `"${'k'.repeat(length)}${index}":0`).join(',')
const nested = `${'['.repeat(700_000)}${']'.repeat(700_000)}`
const objects = `[${'{},'.repeat(400_000)}{}]`
const long = 'x'.repeat(1_400_000)

const bodies: Array<[string, string, string]> = [
  ['POST', '/v1/topics/x/messages', numbers],
  ['POST', '/v1/topics/x/messages', objects],
  ['POST', '/v1/topics/x/messages', nested],
  ['POST', '/v1/topics/x/messages', `{"data":"x",${keys(4, 90_000)}}`],
  ['POST', '/v1/topics/x/messages', `{"data":"x",${keys(100_000, 14)}}`],
  ['POST', '/v1/topics/x/messages', `{"data":${numbers}}`],
  ['POST', '/v1/topics/x/messages', `{"data":${nested},"encoding":"json"}`],
  ['POST', '/v1/topics/x/messages', `{"data":"x","encoding":"${long}"}`],
  ['POST', '/v1/topics/x/messages', `["__proto__"${',0'.repeat(700_000)}]`],
  ['POST', '/v1/messages', numbers],
  ['POST', '/v1/messages', `{"messages":${numbers}}`],
  ['POST', '/v1/messages', `{"messages":${objects}}`],
  ['POST', '/v1/messages', `{"messages":[{"topic":"${long}","data":""}]}`],
  ['POST', '/v1/tokens', `{"name":"x","actions":${numbers},"topics":[">"]}`],
  ['POST', '/v1/tokens', `{"name":"x","actions":["read"],"topics":${numbers}}`],
  ['POST', '/v1/tokens', `{"name":"${long}","actions":["read"]}`],
  ['POST', '/v1/tokens', `{"name":"x","actions":["read"],"expiresAt":"${long}"}`],
  ['POST', '/v1/peers', `{"multiaddr":"/dns4/${long}"}`],
  ['POST', '/v1/peers', `{"peerId":"${long}"}`],
  ['POST', '/v1/topics', `{"topic":"x","retention":${numbers}}`],
  ['PUT', '/v1/dht/values', `{"encoding":"${long}","data":""}`],
  ['PUT', '/v1/log-level', `{"level":"${long}"}`],
]

test('a body or a query that is refused costs a constant and is answered shortly', async () => {
  const gateway = await startSmallGateway()
  const headers = { authorization: `Bearer ${adminToken}` }
  const queries = [
    `/v1/messages?${'topic=.&'.repeat(1_500)}`,
    `/v1/messages?${Array.from({ length: 2_500 }, (_, index) => `${index}=`).join('&')}`,
    `/v1/messages?after=${'x'.repeat(14_000)}`,
    `/v1/dht/values?key=${'x'.repeat(14_000)}`,
    `/v1/peers?state=${'x'.repeat(14_000)}`,
  ]
  for (const [method, path, body] of [...bodies, ...queries.map((path) => ['GET', path, undefined] as const)]) {
    const answer = await fetch(gateway.url + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body }),
    })
    const text = await answer.text()
    const what = `${method} ${path.slice(0, 60)} ${body?.slice(0, 60)}`
    expect([400, 422], what).toContain(answer.status)
    expect(text.length, what).toBeLessThan(8_000)
    expect(JSON.parse(text).errors?.length ?? 0, what).toBeLessThanOrEqual(10)
  }
  expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
})

const frames: Array<[string, string | Uint8Array]> = [
  ['peergate.v1.json', `{"type":"subscribe","topics":${numbers}}`],
  ['peergate.v1.json', `{"type":"subscribe","topics":[${'"a",'.repeat(300_000)}"a"]}`],
  ['peergate.v1.json', `{"type":"subscribe",${keys(4, 90_000)}}`],
  ['peergate.v1.json', `{"type":"publish","topic":"x","data":${numbers}}`],
  ['peergate.v1.json', `{"type":"${long}"}`],
  ['peergate.v1.json', `{"type":"ping","id":"${long}"}`],
  ['peergate.v1.json', `{"type":"serve","service":"${long}"}`],
  ['peergate.v1.cbor', encode({ type: 'subscribe', topics: new Array(740_000).fill(0) })],
  ['peergate.v1.cbor', encode({ type: 'publish', topic: 'x', data: new Array(740_000).fill(0) })],
]

test('so is a frame of the stream', async () => {
  const gateway = await startSmallGateway()
  for (const [subprotocol, frame] of frames) {
    const { answers, code } = await exchange(gateway.url, adminToken, subprotocol, frame)
    const what = `${subprotocol} ${frame.slice(0, 60)}`
    expect(
      answers.reduce((sum, length) => sum + length, 0),
      what,
    ).toBeLessThan(16_000)
    // Answered, or no frame of this protocol at all.
    expect(answers.length >= 2 || code !== undefined, what).toBe(true)
  }
  expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
})

test('a token that may not send data has no large frame taken apart', { timeout: 60_000 }, async () => {
  const gateway = await startSmallGateway()
  const made = await fetch(`${gateway.url}/v1/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'reader', actions: ['read'] }),
  })
  const { secret }: { secret: string } = JSON.parse(await made.text())
  const large = `{"type":"subscribe","topics":["${'a'.repeat(200_000)}"]}`
  expect(await exchange(gateway.url, secret, 'peergate.v1.json', large)).toMatchObject({ code: 1009 })
  expect((await exchange(gateway.url, adminToken, 'peergate.v1.json', large)).code).toBeUndefined()
  const hundred = JSON.stringify({ type: 'subscribe', topics: Array.from({ length: 100 }, (_, index) => `${'é'.repeat(126)}${index}.*`) })
  expect((await exchange(gateway.url, secret, 'peergate.v1.json', hundred)).code).toBeUndefined()
})

/** Sends one frame; the lengths of all that comes back until it is answered, or the code it is closed with. */
async function exchange(url: string, token: string, subprotocol: string, frame: string | Uint8Array) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream`, subprotocol, { headers: { authorization: `Bearer ${token}` } })
  const answers: number[] = []
  const code = await new Promise<number | undefined>((resolve) => {
    socket.on('error', () => undefined)
    socket.once('open', () => socket.send(frame))
    socket.once('close', (closedWith) => resolve(closedWith))
    // The welcome, and the answer.
    socket.on('message', (raw: Buffer) => {
      if (answers.push(raw.length) === 2) resolve(undefined)
    })
  })
  socket.terminate()
  return { answers, code }
}
