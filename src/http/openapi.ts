import { stringify } from 'yaml'
import { z } from 'zod'
import { version } from '../version.ts'
import { type Answer, conditionOf, type DocumentedRoute, problemCodes, tags } from './operation.ts'
import { problemSchema, problemType } from './problem.ts'
import type { Documents } from './routes/documents.ts'

type JsonSchema = z.core.JSONSchema.BaseSchema

/** The OpenAPI document of the routes, made once, when it is first asked for: by then all of them are there. */
export function createOpenApi(routes: DocumentedRoute[]): () => Documents {
  let documents: Documents | undefined
  return () => {
    if (documents === undefined) {
      const openapi = openApiDocument(routes)
      documents = { openapi, openapiYaml: stringify(openapi, { lineWidth: 140, aliasDuplicateObjects: false, compat: 'yaml-1.1' }) }
    }
    return documents
  }
}

function openApiDocument(routes: DocumentedRoute[]) {
  const components = new Map<string, JsonSchema>()
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationObject(route, components) }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Peergate',
      version,
      description:
        'A gateway through which programs that speak HTTP take part in a peer-to-peer network. Objects in answers may gain fields, and ' +
        'enumerations values, at any time; requests with fields or parameters that are not known are refused.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This gateway.' }],
    security: [],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: { schemas: Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1))) },
  }
}

function operationObject(route: DocumentedRoute, components: Map<string, JsonSchema>) {
  const { operation, params, headers, query, body } = route
  const parameters = [
    ...parameterObjects('path', params, components),
    ...parameterObjects('query', query, components),
    ...parameterObjects('header', headers, components),
  ]
  const answers = Object.entries(route.answers).map(([status, answer]) => [status, responseObject(answer, components)])
  return {
    operationId: operation.operationId,
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    tags: [operation.tag],
    'x-action': operation.action,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: requestBody(body, operation.rawBody === true, components) }),
    responses: { ...Object.fromEntries(answers), ...problemResponses(route, components) },
  }
}

function parameterObjects(place: 'path' | 'query' | 'header', object: z.ZodObject | undefined, components: Map<string, JsonSchema>) {
  if (object === undefined) return []
  const { properties = {}, required = [] } = jsonSchema(object, components)
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...schema } = property === true || property === false ? {} : property
    const needed = place === 'path' || required.includes(name)
    return { name, in: place, required: needed, ...(description === undefined ? {} : { description }), schema }
  })
}

function requestBody(body: z.ZodType, raw: boolean, components: Map<string, JsonSchema>) {
  const { example, ...schema } = jsonSchema(body, components)
  return {
    required: !body.safeParse(undefined).success,
    content: { 'application/json': { schema, example }, ...(raw ? { 'application/octet-stream': {} } : {}) },
  }
}

function responseObject({ description, headers, content }: Answer, components: Map<string, JsonSchema>) {
  const headerObjects = Object.entries(headers).map(([name, meaning]) => [name, { description: meaning, schema: { type: 'string' } }])
  const media = Object.entries(content).map(([type, { schema, example }]) => [
    type,
    { schema: jsonSchema(schema, components), ...(example === undefined ? {} : { example }) },
  ])
  return {
    description,
    ...(headerObjects.length === 0 ? {} : { headers: Object.fromEntries(headerObjects) }),
    ...(media.length === 0 ? {} : { content: Object.fromEntries(media) }),
  }
}

const problemHeaders: Record<number, Record<string, string>> = {
  426: { Upgrade: '`websocket`' },
  429: { 'Retry-After': 'Seconds to wait.' },
  503: { 'Retry-After': 'Seconds to wait.' },
}

/** One response for each status of an error, which lists the codes that come with it. */
function problemResponses(route: DocumentedRoute, components: Map<string, JsonSchema>) {
  const byStatus = Map.groupBy(problemCodes(route).map(conditionOf), (condition) => condition.status)
  const responses = [...byStatus].map(([status, conditions]) => {
    const description = conditions.map(({ code, title }) => `- \`${code}\`: ${title}.`).join('\n')
    const own = route.answers[status]
    if (own !== undefined) throw new Error(`${route.operation.operationId} answers ${status} in two ways`)
    const problem = { description, headers: problemHeaders[status] ?? {}, content: { [problemType]: { schema: problemSchema } } }
    return [status, { ...responseObject(problem, components), 'x-codes': conditions.map(({ code }) => code) }]
  })
  return Object.fromEntries(responses)
}

const definitions = '#/$defs/'

/** The schema, with those that have a name as references to the components. */
function jsonSchema(schema: z.ZodType, components: Map<string, JsonSchema>): JsonSchema {
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
