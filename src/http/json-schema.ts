import { z } from 'zod'

export type JsonSchema = z.core.JSONSchema.BaseSchema

const definitions = '#/$defs/'

/** The schema, with those that have a name as references to the components. */
export function jsonSchema(schema: z.ZodType, components: Map<string, JsonSchema>): JsonSchema {
  // Of the two schemas a zod schema has, the input's is the one that leaves objects open unless they are strict. Wrapped, since the
  // root itself would never become a reference.
  const root = z.toJSONSchema(z.object({ schema }), { io: 'input', unrepresentable: 'any', override: ({ jsonSchema }) => tidy(jsonSchema) })
  for (const [name, definition] of Object.entries(root.$defs ?? {})) components.set(name, referring(definition))
  const found = root.properties?.['schema']
  return found === undefined || found === true || found === false ? {} : referring(found)
}

function referring<Value>(schema: Value): Value {
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    key === '$ref' && typeof value === 'string' ? value.replace(definitions, '#/components/schemas/') : value,
  )
}

/** Without what says nothing to a reader: the bounds of safe integers, and the patterns of formats that have a name. */
function tidy(schema: JsonSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum
  if (schema.format !== undefined) delete schema.pattern
}
