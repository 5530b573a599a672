import type { z } from 'zod'
import { clientFrameSchema, frameActions } from '../stream/client-frames.ts'
import { closeCodes } from '../stream/close-codes.ts'
import { serverFrameSchema } from '../stream/server-frames.ts'
import { version } from '../version.ts'
import { type JsonSchema, jsonSchema, type Reader } from './json-schema.ts'

/** The AsyncAPI document of the stream. Each frame is a message, generated from the schema that validates it. */
export function asyncApiDocument() {
  const schemas = new Map<string, JsonSchema>()
  const received = messagesOf(clientFrameSchema.options, 'gateway', schemas, (type) => ({ 'x-action': actionOf(type) }))
  const sent = messagesOf(serverFrameSchema.options, 'client', schemas, () => ({}))
  const refs = (messages: Record<string, object>) => Object.keys(messages).map((name) => ({ $ref: `#/channels/stream/messages/${name}` }))
  return loneReferences({
    asyncapi: '3.0.0',
    info: {
      title: 'Peergate: the stream',
      version,
      description:
        'A WebSocket on which a client follows topics and publishes. docs/stream-protocol.md specifies the frames. They are JSON in text ' +
        'messages (subprotocol `peergate.v1.json`, or none), or CBOR in binary messages (`peergate.v1.cbor`), where `data` is a byte string ' +
        'without `encoding`. Clients ignore unknown fields, frames and enumeration values.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: { gateway: { host: '127.0.0.1:7070', protocol: 'ws', description: 'A gateway with default settings.' } },
    defaultContentType: 'application/json',
    channels: {
      stream: {
        address: '/v1/stream',
        description: 'The query can create the unnamed subscription; openapi.yaml lists its parameters.',
        messages: { ...prefixed('client', received), ...prefixed('server', sent) },
        'x-close-codes': Object.values(closeCodes),
      },
    },
    operations: {
      receive: {
        action: 'receive',
        channel: { $ref: '#/channels/stream' },
        summary: 'Frames that clients send.',
        messages: refs(prefixed('client', received)),
      },
      send: {
        action: 'send',
        channel: { $ref: '#/channels/stream' },
        summary: 'Frames that the gateway sends.',
        messages: refs(prefixed('server', sent)),
      },
    },
    components: { schemas: Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))) },
  })
}

/** JSON Schema draft 7, which AsyncAPI uses, ignores keywords beside a reference. */
function loneReferences<Document>(document: Document): Document {
  return JSON.parse(JSON.stringify(document), (_, value) => {
    if (typeof value?.$ref !== 'string' || Object.keys(value).length === 1) return value
    const { $ref, ...rest } = value
    return { ...rest, allOf: [{ $ref }] }
  })
}

function messagesOf(frames: readonly z.ZodObject[], reader: Reader, schemas: Map<string, JsonSchema>, more: (type: string) => object) {
  return Object.fromEntries(
    frames.map((frame) => {
      const payload = jsonSchema(frame, reader, schemas)
      const type = typeOf(payload)
      const { description, ...schema } = payload
      return [type, { name: type, ...(description === undefined ? {} : { summary: description }), ...more(type), payload: schema }]
    }),
  )
}

function typeOf({ properties }: JsonSchema): string {
  const type = properties?.['type']
  if (typeof type !== 'object' || typeof type.const !== 'string') throw new Error('a frame has no type')
  return type.const
}

function actionOf(type: string): string {
  return Object.entries(frameActions).find(([name]) => name === type)?.[1] ?? 'none'
}

/** Prefixes the names, since both sides have frames of the same type. */
function prefixed(side: string, messages: Record<string, object>): Record<string, object> {
  return Object.fromEntries(Object.entries(messages).map(([type, message]) => [`${side}-${type}`, message]))
}
