import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

export type JsonSchema = z.core.JSONSchema.BaseSchema

const local = '#/$defs/'

/** The reader of a value. The gateway validates strictly; clients must tolerate values newer than they are. */
export type Reader = 'gateway' | 'client'

/**
 * Converts a zod schema to JSON Schema. Named schemas become references to the components. For clients, enumerations
 * are open: strings whose known values are in `x-extensible-enum`, which generators turn into plain strings. A simple
 * type or null is one schema with two types, and numbers have a format, since generators have no types for less.
 * @throws Error when two schemas have the same name
 */
export function jsonSchema(schema: z.ZodType, reader: Reader, components: Map<string, JsonSchema>): JsonSchema {
  // The input schema leaves objects open unless they are strict. Wrapped in an object, since the root itself never
  // becomes a reference.
  const root = z.toJSONSchema(z.object({ schema }), {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => tidy(jsonSchema, reader),
  })
  const definitions = root.$defs ?? {}
  const read = (part: JsonSchema) =>
    referring(withoutChoices(reader === 'client' ? withOpenEnumerations(part, definitions) : part, definitions))
  for (const [name, definition] of Object.entries(definitions)) {
    // A client reads an open enumeration in the place where it is used; only the gateway reads the closed one, by name.
    if (reader === 'client' && definition.enum !== undefined) continue
    const component = read(definition)
    if (!isDeepStrictEqual(components.get(name) ?? component, component)) throw new Error(`${name} would be two schemas`)
    components.set(name, component)
  }
  const found = root.properties?.['schema']
  return found === undefined || found === true || found === false ? {} : read(found)
}

function referring<Value>(schema: Value): Value {
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    key === '$ref' && typeof value === 'string' ? value.replace(local, '#/components/schemas/') : value,
  )
}

/** Allows any string in place of an enumeration, and any truth value in place of `true`, for future values. */
function withOpenEnumerations(schema: JsonSchema, definitions: Record<string, JsonSchema>): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (_, part) => {
    if (part?.type === 'boolean') return { ...part, const: undefined }
    const { enum: values, ...meaning } = enumerationOf(part, definitions) ?? {}
    if (values === undefined) return part
    const { $ref: _named, enum: _closed, ...own } = part
    return { ...meaning, ...own, type: 'string', [knownValues]: values }
  })
}

const knownValues = 'x-extensible-enum'

function enumerationOf(part: JsonSchema | null, definitions: Record<string, JsonSchema>): JsonSchema | undefined {
  const schema = definitionOf(part, definitions)
  return Array.isArray(schema?.enum) ? schema : undefined
}

function definitionOf(part: JsonSchema | null | undefined, definitions: Record<string, JsonSchema>): JsonSchema | null | undefined {
  return typeof part?.$ref === 'string' ? definitions[part.$ref.replace(local, '')] : part
}

const simpleTypes: unknown[] = ['string', 'integer', 'number', 'boolean']

/** Turns the choice between a simple type and null into one schema with two types. */
function withoutChoices(schema: JsonSchema, definitions: Record<string, JsonSchema>): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (_, part) => {
    const [first, other, ...more] = Array.isArray(part?.anyOf) ? part.anyOf : []
    if (other?.type !== 'null' || more.length > 0) return part
    const known = definitionOf(first, definitions)
    if (known === null || known === undefined || known.enum !== undefined || !simpleTypes.includes(known.type)) return part
    const { anyOf: _choice, ...own } = part
    return { ...known, ...own, type: [known.type, 'null'] }
  })
}

const maxInt32 = 2 ** 31 - 1

/**
 * Removes redundant keywords: the bounds of safe integers in answers, and the pattern of a time. Adds the
 * formats of numbers (https://spec.openapis.org/registry/format/).
 */
function tidy(schema: JsonSchema, reader: Reader): void {
  if (schema.format === 'date-time') delete schema.pattern
  if (schema.type === 'number') schema.format = 'double'
  if (schema.type !== 'integer') return
  schema.format = (schema.maximum ?? Number.POSITIVE_INFINITY) <= maxInt32 ? 'int32' : 'int64'
  if (schema.maximum === Number.MAX_SAFE_INTEGER && reader === 'client') delete schema.maximum
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
}
