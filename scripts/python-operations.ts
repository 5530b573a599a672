import { parse } from 'yaml'
import { z } from 'zod'

/** Generates the types and operations of REST in the Python client from openapi.yaml, as text of Python. */

export const pythonOperationsPath = 'clients/python/src/peergate_client/operations.py'

interface Schema {
  $ref?: string | undefined
  type?: string | string[] | undefined
  enum?: string[] | undefined
  items?: Schema | undefined
  properties?: Record<string, Schema> | undefined
  required?: string[] | undefined
  additionalProperties?: boolean | Schema | undefined
}

const schemaSchema: z.ZodType<Schema> = z.object({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  enum: z.array(z.string()).optional(),
  get items() {
    return schemaSchema.optional()
  },
  get properties() {
    return z.record(z.string(), schemaSchema).optional()
  },
  required: z.array(z.string()).optional(),
  get additionalProperties() {
    return z.union([z.boolean(), schemaSchema]).optional()
  },
})

const contentSchema = z.record(z.string(), z.object({ schema: schemaSchema }))

const operationSchema = z.object({
  operationId: z.string(),
  summary: z.string(),
  parameters: z
    .array(z.object({ name: z.string(), in: z.enum(['path', 'query', 'header']), required: z.boolean().optional(), schema: schemaSchema }))
    .default([]),
  requestBody: z.object({ required: z.boolean().optional(), content: contentSchema }).optional(),
  responses: z.record(z.string(), z.object({ content: contentSchema.optional() })),
})

const documentSchema = z.object({
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({ schemas: z.record(z.string(), schemaSchema) }),
})

type Operation = z.infer<typeof operationSchema>

/** Names that cannot be attributes in Python. */
const keywords: ReadonlySet<string> = new Set(['from', 'in', 'is', 'class', 'def', 'import', 'global', 'not', 'or', 'and', 'None'])

export function pythonOperations(openapiYaml: string): string {
  const { paths, components } = documentSchema.parse(parse(openapiYaml))
  const schemas = Object.entries(components.schemas)
  const types = [...schemas.filter(([, schema]) => schema.properties !== undefined), ...schemas.filter(([, schema]) => !schema.properties)]
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => operationText(method.toUpperCase(), path, operation)),
  )
  return `"""Types and operations of REST, generated from openapi.yaml by \`npm run generate\`: do not edit."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from .operation import Operation


${[...types.map(([name, schema]) => typeText(name, schema)), ...operations].join('\n\n\n')}
`
}

function typeText(name: string, schema: Schema): string {
  const { properties, required = [] } = schema
  if (properties === undefined) return `${name} = ${typeOf(schema)}`
  const fields = Object.entries(properties).map(([field, of]): [string, string] => [
    field,
    required.includes(field) ? typeOf(of) : `NotRequired[${typeOf(of)}]`,
  ])
  if (fields.some(([field]) => keywords.has(field) || !/^\w+$/.test(field))) {
    // Only this form has such fields. Its types are text, since they may be of types below it.
    return `${name} = TypedDict("${name}", {\n${fields.map(([field, type]) => `    "${field}": ${quoted(type)},\n`).join('')}})`
  }
  return `class ${name}(TypedDict):\n${fields.map(([field, type]) => `    ${field}: ${type}`).join('\n') || '    pass'}`
}

/** A type as text; `NotRequired` must stand outside of it. */
function quoted(type: string): string {
  const inner = /^NotRequired\[(.*)\]$/.exec(type)?.[1]
  return inner === undefined ? JSON.stringify(type) : `NotRequired[${JSON.stringify(inner)}]`
}

function typeOf({ $ref, type, enum: values, items, additionalProperties }: Schema): string {
  if ($ref !== undefined) return $ref.replace('#/components/schemas/', '')
  if (values !== undefined) return `Literal[${values.map((value) => JSON.stringify(value)).join(', ')}]`
  const names = [type ?? []].flat()
  if (names.length === 0) return 'Any'
  return names.map((name) => simpleType(name, items, additionalProperties)).join(' | ')
}

function simpleType(name: string, items: Schema | undefined, values: boolean | Schema | undefined): string {
  if (name === 'array') return `list[${typeOf(items ?? {})}]`
  if (name === 'object') return `dict[str, ${typeof values === 'object' ? typeOf(values) : 'Any'}]`
  const simple = new Map([
    ['string', 'str'],
    ['integer', 'int'],
    ['number', 'float'],
    ['boolean', 'bool'],
    ['null', 'None'],
  ])
  const found = simple.get(name)
  if (found === undefined) throw new Error(`the type ${name} is not known`)
  return found
}

/** A function that describes one call; none for streams, which are no calls. */
function operationText(method: string, path: string, { operationId, summary, parameters, requestBody, responses }: Operation): string[] {
  const answer = answerOf(responses)
  if (answer === undefined) return []
  const given = (place: string) => parameters.filter((parameter) => parameter.in === place)
  const inPath = given('path').map(({ name, schema }) => `${snake(name)}: ${typeOf(schema)}`)
  const named = parameters.filter((parameter) => parameter.in !== 'path').toSorted((a, b) => Number(b.required) - Number(a.required))
  const options = named.map(({ name, schema, required }) =>
    required === true ? `${snake(name)}: ${typeOf(schema)}` : `${snake(name)}: ${typeOf(schema)} | None = None`,
  )
  const bytes = 'application/octet-stream'
  const json = requestBody?.content['application/json']?.schema
  const bodyType = [...(json === undefined ? [] : [typeOf(json)]), ...(requestBody?.content[bytes] === undefined ? [] : ['bytes'])].join(
    ' | ',
  )
  const body = requestBody === undefined ? [] : [requestBody.required === true ? `body: ${bodyType}` : `body: ${bodyType} | None = None`]
  const values = (of: typeof parameters) => of.map(({ name }) => `${JSON.stringify(name)}: ${snake(name)}`).join(', ')
  const call = [
    `"${method}"`,
    `"${path}"`,
    `"${answer.kind}"`,
    ...(inPath.length > 0 ? [`path={${values(given('path'))}}`] : []),
    ...(given('query').length > 0 ? [`query={${values(given('query'))}}`] : []),
    ...(given('header').length > 0 ? [`headers={${values(given('header'))}}`] : []),
    ...(requestBody === undefined ? [] : ['body=body']),
  ]
  const taken = [...inPath, ...body, ...(options.length > 0 ? ['*', ...options] : [])].map((parameter) => `\n    ${parameter},`)
  return [
    `def ${snake(operationId)}(${taken.join('')}${taken.length > 0 ? '\n' : ''}) -> Operation[${answer.type}]:
    """${summary}"""
    return Operation(${call.join(', ')})`,
  ]
}

function answerOf(responses: Operation['responses']): { kind: 'json' | 'bytes' | 'text' | 'none'; type: string } | undefined {
  const success = Object.entries(responses).find(([status]) => status.startsWith('2'))?.[1]
  if (success === undefined) return undefined
  const content = Object.entries(success.content ?? {})
  const json = success.content?.['application/json']
  if (json !== undefined) return { kind: 'json', type: typeOf(json.schema) }
  const media = content[0]?.[0]
  if (media === undefined) return { kind: 'none', type: 'None' }
  if (media === 'text/event-stream') return undefined
  return /^text\/|yaml$/.test(media) ? { kind: 'text', type: 'str' } : { kind: 'bytes', type: 'bytes' }
}

function snake(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase()
  return keywords.has(words) ? `${words}_` : words
}
