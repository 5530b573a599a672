import { clientFrameSchema, frameRules } from '../stream/client-frames.ts'
import { clientAnswers } from '../stream/frame-answers.ts'
import { serverFrameSchema } from '../stream/server-frames.ts'
import { clientFrameExamples, serverFrameExamples } from './frame-examples.ts'
import { type JsonSchema, jsonSchema } from './json-schema.ts'

/** A frame as a message of the AsyncAPI document. */
export interface FrameMessage {
  name: string
  title: string
  summary: string
  correlationId?: { location: string }
  payload: { $ref: string }
  examples: Array<{ name: string; payload: unknown }>
  'x-action'?: string
  'x-cost'?: number
}

/**
 * The two sides of the stream. Both have frames of the same type, so the names of messages and schemas begin with the
 * side.
 */
const sides = {
  client: { frames: clientFrameSchema.options, reader: 'gateway', base: 'ClientFrame', description: 'What all frames of clients have.' },
  server: { frames: serverFrameSchema.options, reader: 'client', base: 'ServerFrame', description: 'What all frames of the gateway have.' },
} as const

export type Side = keyof typeof sides

/**
 * The messages of one side, by name: `client-publish`. Adds their payloads to the schemas, each as an heir of the base
 * whose `discriminator` is `type`, by which code generators tell the frames apart.
 */
export function frameMessages(side: Side, schemas: Map<string, JsonSchema>): Record<string, FrameMessage> {
  const { frames, reader, base, description } = sides[side]
  schemas.set(base, { type: 'object', description, discriminator: 'type', properties: { type: { type: 'string' } }, required: ['type'] })
  return Object.fromEntries(
    frames.map((frame) => {
      const { description: summary = '', ...schema } = firstForms(jsonSchema(frame, reader, schemas))
      const type = typeOf(schema)
      const name = messageName(side, type)
      const title = pascal(name)
      schemas.set(title, { allOf: [{ $ref: reference(base) }], ...schema })
      const example = { name: type, payload: ofType<unknown>(side === 'client' ? clientFrameExamples : serverFrameExamples, type) }
      const message: FrameMessage = {
        name: type,
        title,
        summary,
        ...correlation(side, type, schema),
        payload: { $ref: reference(title) },
        examples: [example],
        ...(side === 'client' ? requirements(type) : {}),
      }
      return [name, message]
    }),
  )
}

function requirements(type: string): Pick<FrameMessage, 'x-action' | 'x-cost'> {
  const { action, cost } = ofType(frameRules, type)
  return { 'x-action': action, 'x-cost': cost }
}

export function messageName(side: Side, type: string): string {
  return `${side}-${type}`
}

function reference(schema: string): string {
  return `#/components/schemas/${schema}`
}

/** `client-publish` becomes `ClientPublish`. */
function pascal(name: string): string {
  return name.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())
}

/**
 * Keeps the first form of each choice: text as the id of a frame, where a whole number would do too, and text as data,
 * which CBOR has as a byte string. Typed languages have no type for a choice, and generators make useless ones.
 */
function firstForms(schema: JsonSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (_, part) => {
    if (!Array.isArray(part?.anyOf)) return part
    const { anyOf, ...rest } = part
    return { ...anyOf[0], ...rest }
  })
}

/** Where a frame has what its answer, or what it answers, has too. */
function correlation(side: Side, type: string, { properties = {} }: JsonSchema) {
  const asking = side === 'server' ? Object.entries(clientAnswers).find(([name]) => name === type)?.[1].field : undefined
  const field = asking ?? (properties['id'] === undefined ? undefined : 'id')
  return field === undefined ? {} : { correlationId: { location: `$message.payload#/${field}` } }
}

function typeOf({ properties }: JsonSchema): string {
  const type = properties?.['type']
  if (typeof type !== 'object' || typeof type.const !== 'string') throw new Error('a frame has no type')
  return type.const
}

/** Looks up the value of a frame type. @throws Error for a type without one */
function ofType<Value>(values: Readonly<Record<string, Value>>, type: string): Value {
  const value = values[type]
  if (value === undefined) throw new Error(`nothing is known of frames of the type ${type}`)
  return value
}
