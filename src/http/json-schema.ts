import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'

export type JsonSchema = z.core.JSONSchema.BaseSchema

const local = '#/$defs/'

/** What clients send is held to its schema; what they are sent may be newer than they are. */
export type Reader = 'gateway' | 'client'

/**
 * The schema, with those that have a name as references to the components; for clients, with its enumerations open.
 * @throws Error when a name would stand for two schemas
 */
export function jsonSchema(schema: z.ZodType, reader: Reader, components: Map<string, JsonSchema>): JsonSchema {
  // Of the two schemas a zod schema has, the input's is the one that leaves objects open unless they are strict. Wrapped, since the
  // root itself would never become a reference.
  const root = z.toJSONSchema(z.object({ schema }), { io: 'input', unrepresentable: 'any', override: ({ jsonSchema }) => tidy(jsonSchema) })
  const definitions = root.$defs ?? {}
  const read = (part: JsonSchema) => referring(reader === 'client' ? withOpenEnumerations(part, definitions) : part)
  for (const [name, definition] of Object.entries(definitions)) {
    // An enumeration that has a name lists what is known; it is open where it stands.
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

/** Any text beside each enumeration, for the values that there will be one day; those of now stay for generators of clients to name. */
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

/** Those of an alternative that is nothing but alternatives. */
function alternatives(part: JsonSchema): JsonSchema['anyOf'] {
  return part.anyOf !== undefined && Object.keys(part).length === 1 ? part.anyOf : [part]
}

/** Without what says nothing to a reader: the bounds of safe integers, and the patterns of formats that have a name. */
function tidy(schema: JsonSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.format !== undefined) delete schema.pattern
}
