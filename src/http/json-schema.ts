import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

export type JsonSchema = z.core.JSONSchema.BaseSchema

const local = '#/$defs/'

/** The reader of a value. The gateway validates strictly; clients must tolerate values newer than they are. */
export type Reader = 'gateway' | 'client'

/**
 * Converts a zod schema to JSON Schema. Named schemas become references to the components; for clients, enumerations
 * are open.
 * @throws Error when two schemas have the same name
 */
export function jsonSchema(schema: z.ZodType, reader: Reader, components: Map<string, JsonSchema>): JsonSchema {
  // The input schema leaves objects open unless they are strict. Wrapped in an object, since the root itself never
  // becomes a reference.
  const root = z.toJSONSchema(z.object({ schema }), { io: 'input', unrepresentable: 'any', override: ({ jsonSchema }) => tidy(jsonSchema) })
  const definitions = root.$defs ?? {}
  const read = (part: JsonSchema) => referring(reader === 'client' ? withOpenEnumerations(part, definitions) : part)
  for (const [name, definition] of Object.entries(definitions)) {
    // A named enumeration lists the known values; it is opened where it is used.
    const component = definition.enum === undefined ? read(definition) : referring(definition)
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

/** Allows any string beside each enumeration, for future values. Client generators still see the known values. */
function withOpenEnumerations(schema: JsonSchema, definitions: Record<string, JsonSchema>): JsonSchema {
  return JSON.parse(JSON.stringify(schema), (_, part) => {
    if (Array.isArray(part?.anyOf)) return { ...part, anyOf: part.anyOf.flatMap(alternatives) }
    if (!isEnumeration(part, definitions)) return part
    const { type, enum: values, $ref, ...rest } = part
    const known = $ref === undefined ? { type, enum: values } : { $ref }
    return { ...rest, anyOf: [known, { type: 'string' }] }
  })
}

function isEnumeration(part: JsonSchema | null, definitions: Record<string, JsonSchema>): boolean {
  if (typeof part?.$ref !== 'string') return Array.isArray(part?.enum)
  return definitions[part.$ref.replace(local, '')]?.enum !== undefined
}

/** Flattens an alternative that consists only of alternatives. */
function alternatives(part: JsonSchema): JsonSchema['anyOf'] {
  return part.anyOf !== undefined && Object.keys(part).length === 1 ? part.anyOf : [part]
}

/** Removes redundant keywords: the bounds of safe integers, and the patterns of named formats. */
function tidy(schema: JsonSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.format !== undefined) delete schema.pattern
}
