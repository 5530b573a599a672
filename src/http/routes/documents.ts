import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { z } from 'zod'
import { type App, json } from '../operation.ts'

/** Where the API explorer's files are; it is served from here, so that it works on a closed network. */
const explorerFiles = join(createRequire(import.meta.url).resolve('@fastify/swagger-ui/package.json'), '../static')
const explorerPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Peergate API</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="explorer"></div>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/explorer.js"></script>
  </body>
</html>
`
const script = "SwaggerUIBundle({ url: '/openapi.json', dom_id: '#explorer', deepLinking: true, validatorUrl: null })\n"

const assets = {
  'explorer.js': { type: 'text/javascript; charset=utf-8', read: async () => Buffer.from(script) },
  'swagger-ui.css': { type: 'text/css; charset=utf-8', read: () => readFile(join(explorerFiles, 'swagger-ui.css')) },
  'swagger-ui-bundle.js': { type: 'text/javascript; charset=utf-8', read: () => readFile(join(explorerFiles, 'swagger-ui-bundle.js')) },
} as const

/** The contract: of requests in both its forms, and of the stream. */
export interface Documents {
  openapi: { openapi: string }
  /** The same as text, so that who asks often costs no more than sending it. */
  openapiJson: string
  openapiYaml: string
  asyncapiYaml: string
}

export function documentRoutes(app: App, components: { documents: () => Documents }): void {
  const { documents } = components

  app.route({
    method: 'GET',
    url: '/openapi.json',
    config: {
      operation: {
        action: 'none',
        operationId: 'getOpenApiJson',
        summary: 'This contract, as JSON',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: { response: { 200: json('OpenAPI 3.1.', z.looseObject({ openapi: z.string() }), { openapi: '3.1.1' }) } },
    handler: async (_request, reply) => {
      const { openapi, openapiJson } = documents()
      reply.serializer(() => openapiJson)
      return openapi
    },
  })

  app.route({
    method: 'GET',
    url: '/openapi.yaml',
    config: {
      operation: {
        action: 'none',
        operationId: 'getOpenApiYaml',
        summary: 'This contract, as YAML',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: { response: { 200: { description: 'OpenAPI 3.1.', headers: {}, content: { 'application/yaml': { schema: z.string() } } } } },
    handler: async (_request, reply) => {
      reply.type('application/yaml')
      return documents().openapiYaml
    },
  })

  app.route({
    method: 'GET',
    url: '/asyncapi.yaml',
    config: {
      operation: {
        action: 'none',
        operationId: 'getAsyncApiYaml',
        summary: 'The contract of the stream, as YAML',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: { response: { 200: { description: 'AsyncAPI 3.0.', headers: {}, content: { 'application/yaml': { schema: z.string() } } } } },
    handler: async (_request, reply) => {
      reply.type('application/yaml')
      return documents().asyncapiYaml
    },
  })

  app.route({
    method: 'GET',
    url: '/docs',
    config: {
      operation: {
        action: 'none',
        operationId: 'getExplorer',
        summary: 'This contract, to try out',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: { response: { 200: { description: 'A page.', headers: {}, content: { 'text/html': { schema: z.string() } } } } },
    handler: async (_request, reply) => {
      reply.type('text/html; charset=utf-8').header('content-security-policy', explorerPolicy)
      return page
    },
  })

  app.route({
    method: 'GET',
    url: '/docs/:file',
    config: {
      operation: {
        action: 'none',
        operationId: 'getExplorerFile',
        summary: 'What the page is made of',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: {
      params: z.strictObject({ file: z.enum(['explorer.js', 'swagger-ui.css', 'swagger-ui-bundle.js']) }),
      response: { 200: { description: 'A file.', headers: {}, content: { '*/*': { schema: z.custom<Buffer>() } } } },
    },
    handler: async ({ params }, reply) => {
      const { type, read } = assets[params.file]
      reply.type(type).header('cache-control', 'private, max-age=3600')
      return await read()
    },
  })
}
