import { readFile } from 'node:fs/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { clientFrameSchema } from '../../src/stream/client-frames.ts'
import { closeActions, closeCodes } from '../../src/stream/close-codes.ts'
import { subprotocols } from '../../src/stream/codec.ts'
import { clientAnswers, serverAnswers } from '../../src/stream/frame-answers.ts'
import { serverFrameSchema } from '../../src/stream/server-frames.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { appForTest } from './app-for-test.ts'
import { closed } from './oracle.ts'

interface Message {
  name: string
  title: string
  summary: string
  payload: { $ref: string }
  examples: Array<{ payload: { type: string; id?: string } }>
}

interface Operation {
  messages: Array<{ $ref: string }>
  reply?: { messages: Array<{ $ref: string }> }
  security: object[]
}

interface Document {
  channels: {
    stream: { messages: Record<string, Message>; 'x-close-codes': Array<{ code: number; action: string }> } & Record<string, unknown>
  }
  operations: Record<string, Operation>
  components: { schemas: Record<string, { title?: string; allOf?: unknown }>; securitySchemes: object }
}

const document: Document = parse(await readFile(new URL('../../asyncapi.yaml', import.meta.url), 'utf8'))
const { stream } = document.channels
const nameOf = ({ $ref }: { $ref: string }) => $ref.split('/').at(-1) ?? ''
const frames = {
  client: clientFrameSchema.options.map(({ shape }) => shape.type.value),
  server: serverFrameSchema.options.map(({ shape }) => shape.type.value),
}
const messages = Object.entries(stream.messages)

/** What is wrong with a frame as the contract has it: the known fields and values only. */
function issues(message: string, frame: unknown): unknown {
  const name = nameOf(stream.messages[message]?.payload ?? { $ref: '' })
  // The base of all frames has the type only.
  const schemas = Object.fromEntries(Object.entries(document.components.schemas).map(([key, { allOf, ...own }]) => [key, own]))
  const whole = { $defs: schemas, ...schemas[name] }
  return z.fromJSONSchema(Object(closed(whole))).safeParse(frame).error?.issues
}

test('is served as JSON and as YAML, as it is committed', async () => {
  const { call } = await appForTest()
  const [json, yaml] = [await call('GET', '/asyncapi.json'), await call('GET', '/asyncapi.yaml')]
  expect(json.headers['content-type']).toContain('application/json')
  expect(json.body).toEqual(document)
  expect(parse(yaml.text ?? yaml.body.toString())).toEqual(document)
})

describe('the contract of the stream', () => {
  test('has every frame, with a title, a summary, a schema of that name and an example that fits', () => {
    const expected = Object.entries(frames).flatMap(([side, types]) => types.map((type) => `${side}-${type}`))
    expect(Object.keys(stream.messages)).toEqual(expected)
    for (const [key, { name, title, summary, payload, examples }] of messages) {
      expect(key.endsWith(`-${name}`), key).toBe(true)
      expect(summary).not.toBe('')
      expect([nameOf(payload), document.components.schemas[title]?.title]).toEqual([title, title])
      expect(examples.map(({ payload: { type } }) => type)).toEqual([name])
      expect(examples.map(({ payload: frame }) => issues(key, frame))).toEqual([undefined])
      const schema = key.startsWith('client-') ? clientFrameSchema : serverFrameSchema
      expect(examples.map(({ payload: frame }) => schema.safeParse(frame).error?.issues)).toEqual([undefined])
    }
  })

  test('has an operation for each frame that is answered, with the answer, and one that has all frames of the gateway', () => {
    const pairs = Object.entries(document.operations).map(
      ([
        name,
        {
          messages: [asking],
          reply,
        },
      ]) => [name, asking && nameOf(asking), reply?.messages.map(nameOf)],
    )
    expect(pairs.slice(0, -1)).toEqual([
      ...Object.entries(serverAnswers).map(([type, answer]) => [`client-${type}`, `client-${type}`, [`server-${answer}`, 'server-error']]),
      ...Object.entries(clientAnswers).map(([type, { answer }]) => [`server-${type}`, `server-${type}`, [`client-${answer}`]]),
    ])
    expect(document.operations['server-frames']?.messages.map(nameOf)).toEqual(frames.server.map((type) => `server-${type}`))
    for (const { security } of Object.values(document.operations)) {
      expect(security).toHaveLength(Object.keys(document.components.securitySchemes).length)
    }
  })

  test('has every close code, subprotocol and parameter of the query', () => {
    expect(stream['x-close-codes']).toEqual(Object.values(closeCodes))
    expect(stream['x-close-actions']).toEqual(closeActions)
    expect(stream['x-subprotocols']).toMatchObject(subprotocols.map((name) => ({ name })))
    expect(stream['bindings']).toMatchObject({ ws: { query: { properties: { topic: {}, direct: {}, after: {}, encoding: {} } } } })
  })

  test('leaves code generators no schema without a name', () => {
    const nameless: unknown[] = []
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      JSON.parse(JSON.stringify(schema), (key, part) => {
        const needsName =
          part?.anyOf !== undefined || part?.oneOf !== undefined || part?.enum !== undefined || part?.properties !== undefined
        if (needsName && key !== '' && key !== 'properties') nameless.push([name, key])
        return part
      })
    }
    expect(nameless).toEqual([])
  })
})

test('each example of a client frame is answered as its operation says', async () => {
  const gateway = await memoryGateway(createMemoryNetwork())
  onTestFinished(() => gateway.stop())
  const { peerId } = await gateway.node()
  await using client = await openStream(gateway.url)
  // This connection is also the service that it asks. With the token of the example it would be another client.
  const keys = Object.keys(document.operations).filter((key) => key.startsWith('client-') && !['client-serve', 'client-auth'].includes(key))
  for (const key of ['client-serve', ...keys, 'client-auth']) {
    for (const { payload } of stream.messages[key]?.examples ?? []) {
      client.send({ ...payload, ...('to' in payload ? { to: peerId } : {}), ...('after' in payload ? { after: 'earliest' } : {}) })
      if (key === 'client-request') {
        const { requestId } = await client.expect('request')
        client.send({ type: 'reply', requestId, data: 'answer' })
      }
      await client.until(() => client.frames.some((frame) => 'id' in frame && frame.id === payload.id))
      const answer = client.frames.find((frame) => 'id' in frame && frame.id === payload.id)
      expect(document.operations[key]?.reply?.messages.map(nameOf)).toContain(`server-${answer?.type}`)
    }
  }
  const seen = new Set(client.frames.map(({ type }) => type))
  expect([...seen]).toEqual(
    expect.arrayContaining(['welcome', 'subscribed', 'published', 'queued', 'response', 'request', 'serving', 'pong']),
  )
  for (const frame of client.frames) expect([frame.type, issues(`server-${frame.type}`, frame)]).toEqual([frame.type, undefined])
})
