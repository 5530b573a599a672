import { closeActions, closeCodes } from '../stream/close-codes.ts'
import { cborCodec, jsonCodec } from '../stream/codec.ts'
import { clientAnswers, serverAnswers } from '../stream/frame-answers.ts'
import { version } from '../version.ts'
import { frameMessages, messageName, type Side } from './asyncapi-frames.ts'
import { bearerSubprotocol } from './authenticate.ts'
import { type JsonSchema, jsonSchema } from './json-schema.ts'
import type { DocumentedRoute } from './operation.ts'

/**
 * The AsyncAPI document of the stream. Each frame is a message, generated from the schema that validates it, and has an
 * operation; the last operation has all frames of the gateway. It is AsyncAPI 3.0.0, the newest version of which
 * Modelina makes types.
 * @param upgrade the route of the upgrade request
 */
export function asyncApiDocument(upgrade: Pick<DocumentedRoute, 'url' | 'query'>) {
  const schemas = new Map<string, JsonSchema>()
  const client = frameMessages('client', schemas)
  const server = frameMessages('server', schemas)
  const query = upgrade.query === undefined ? {} : { query: jsonSchema(upgrade.query, 'gateway', schemas) }
  return forDraft7({
    asyncapi: '3.0.0',
    info: {
      title: 'Peergate: the stream',
      version,
      description:
        'A WebSocket on which a client follows topics and publishes. docs/stream-protocol.md specifies the frames. They are JSON in text ' +
        'messages, or CBOR in binary messages, where `data` is a byte string without `encoding`: the subprotocol decides. Clients ignore ' +
        'unknown fields, frames and enumeration values; `x-extensible-enum` lists the known values.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: {
      gateway: { host: '127.0.0.1:7070', protocol: 'ws', description: 'A gateway with default settings.', security },
    },
    defaultContentType: 'application/json',
    channels: {
      stream: {
        address: upgrade.url,
        title: 'Stream',
        description: 'The query can create the unnamed subscription.',
        messages: { ...client, ...server },
        bindings: { ws: { method: 'GET', ...query, headers: upgradeHeaders, bindingVersion: '0.1.0' } },
        'x-subprotocols': subprotocols,
        'x-close-codes': Object.values(closeCodes),
        'x-close-actions': closeActions,
      },
    },
    operations: {
      ...answeredOperations('client'),
      ...answeredOperations('server'),
      'server-frames': {
        action: 'send',
        channel,
        title: 'Frames of the gateway',
        summary: 'Every frame that the gateway sends: answers, and what it sends by itself.',
        security,
        messages: references(Object.keys(server)),
      },
    },
    components: { schemas: titled(schemas), securitySchemes },
  })
}

const channel = { $ref: '#/channels/stream' }

const securitySchemes = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'An access token, or a JSON Web Token of the identity provider. Required once any token exists.',
  },
  session: {
    type: 'httpApiKey',
    in: 'cookie',
    name: '__Host-peergate',
    description: 'A session cookie for web pages, set by `POST /v1/session`. Over plain HTTP its name is `peergate`.',
  },
  subprotocol: {
    type: 'httpApiKey',
    in: 'header',
    name: 'Sec-WebSocket-Protocol',
    description: `For browsers, which cannot set other headers: the token in unpadded base64url after \`${bearerSubprotocol}\`, beside a subprotocol.`,
  },
}

const security = Object.keys(securitySchemes).map((name) => ({ $ref: `#/components/securitySchemes/${name}` }))

const subprotocols = [
  { name: jsonCodec.subprotocol, description: 'JSON in text messages. Also without a subprotocol.' },
  { name: cborCodec.subprotocol, description: 'CBOR (RFC 8949) in binary messages, with data as byte strings.' },
]

const upgradeHeaders = {
  type: 'object',
  properties: {
    'Sec-WebSocket-Protocol': {
      type: 'string',
      description: 'Subprotocols of the client, separated by commas. The gateway selects the first that it supports.',
      examples: [...subprotocols.map(({ name }) => name), `${jsonCodec.subprotocol}, ${bearerSubprotocol}cGVlcmdhdGVfZXhhbXBsZQ`],
    },
  },
}

/**
 * An operation for each frame of a side that the other side answers. Names tell what the gateway does: it receives
 * frames of clients.
 */
function answeredOperations(side: Side) {
  const pairs =
    side === 'client'
      ? Object.entries(serverAnswers).map(([type, answer]) => ({ type, answers: [`server-${answer}`, 'server-error'] }))
      : Object.entries(clientAnswers).map(([type, { answer }]) => ({ type, answers: [`client-${answer}`] }))
  return Object.fromEntries(
    pairs.map(({ type, answers }) => {
      const name = messageName(side, type)
      const operation = {
        action: side === 'client' ? 'receive' : 'send',
        channel,
        security,
        messages: references([name]),
        reply: { channel, messages: references(answers) },
      }
      return [name, operation]
    }),
  )
}

function references(messages: string[]) {
  return messages.map((name) => ({ $ref: `#/channels/stream/messages/${name}` }))
}

/** The schemas in alphabetical order, each with its name as its title, from which generators name types. */
function titled(schemas: Map<string, JsonSchema>) {
  const sorted = [...schemas].sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([name, schema]) => [name, { title: name, ...schema }]))
}

/** JSON Schema draft 7, which AsyncAPI uses, ignores keywords beside a reference, and has `examples` only. */
function forDraft7<Document>(document: Document): Document {
  return JSON.parse(JSON.stringify(document), (_, value) => {
    if (value?.example !== undefined) {
      const { example, ...rest } = value
      return { ...rest, examples: [example] }
    }
    if (typeof value?.$ref !== 'string' || Object.keys(value).length === 1) return value
    const { $ref, ...rest } = value
    return { ...rest, allOf: [{ $ref }] }
  })
}
