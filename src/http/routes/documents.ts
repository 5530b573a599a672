import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { z } from 'zod'
import type { Rates } from '../../access/rates.ts'
import { createKeptDocument } from '../kept-document.ts'
import { type App, bytesSchema, declareRoute, json } from '../operation.ts'

/** Folder of the API explorer's files. They are served from here, so that the explorer works on a closed network. */
const explorerFiles = join(createRequire(import.meta.url).resolve('@fastify/swagger-ui/package.json'), '../static')
/** The console shows the explorer in a frame; no other site can. */
const explorerPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="color-scheme" content="light dark">
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
/** The style sheet is dark below a class of the root; here it follows the browser, as the console does. */
const script = `const dark = matchMedia('(prefers-color-scheme: dark)')
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', follow)
follow()
SwaggerUIBundle({ url: '/openapi.json', dom_id: '#explorer', deepLinking: true, showExtensions: true, validatorUrl: null })
`

const assets = {
  'explorer.js': { type: 'text/javascript; charset=utf-8', read: async () => Buffer.from(script) },
  'swagger-ui.css': { type: 'text/css; charset=utf-8', read: () => readFile(join(explorerFiles, 'swagger-ui.css')) },
  'swagger-ui-bundle.js': { type: 'text/javascript; charset=utf-8', read: () => readFile(join(explorerFiles, 'swagger-ui-bundle.js')) },
} as const

const openApiSchema = z.looseObject({ openapi: z.string() }).meta({ id: 'OpenApiDocument' })
const asyncApiSchema = z.looseObject({ asyncapi: z.string() }).meta({ id: 'AsyncApiDocument' })
const jsonType = 'application/json; charset=utf-8'
const yamlType = 'application/yaml'

/** The contract. */
export interface Documents {
  openapi: DocumentTexts
  asyncapi: DocumentTexts
}

/** A document as JSON and as YAML. It is made when one of them is asked for. */
export interface DocumentTexts {
  json(): string
  yaml(): string
}

export const documentContract = {
  getOpenApiJson: declareRoute({
    method: 'GET',
    url: '/openapi.json',
    config: {
      operation: {
        action: 'none',
        operationId: 'getOpenApiJson',
        summary: 'Get the OpenAPI document as JSON',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: {
      response: {
        200: json('An OpenAPI 3.1 document.', openApiSchema, { openapi: '3.1.1' }),
      },
    },
  }),
  getOpenApiYaml: declareRoute({
    method: 'GET',
    url: '/openapi.yaml',
    config: {
      operation: {
        action: 'none',
        operationId: 'getOpenApiYaml',
        summary: 'Get the OpenAPI document as YAML',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: {
      response: {
        200: { description: 'An OpenAPI 3.1 document.', headers: {}, content: { 'application/yaml': { schema: openApiSchema } } },
      },
    },
  }),
  getAsyncApiJson: declareRoute({
    method: 'GET',
    url: '/asyncapi.json',
    config: {
      operation: {
        action: 'none',
        operationId: 'getAsyncApiJson',
        summary: 'Get the AsyncAPI document of the stream as JSON',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: {
      response: {
        200: json('An AsyncAPI 3.0 document.', asyncApiSchema, {
          asyncapi: '3.0.0',
        }),
      },
    },
  }),
  getAsyncApiYaml: declareRoute({
    method: 'GET',
    url: '/asyncapi.yaml',
    config: {
      operation: {
        action: 'none',
        operationId: 'getAsyncApiYaml',
        summary: 'Get the AsyncAPI document of the stream as YAML',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: {
      response: {
        200: { description: 'An AsyncAPI 3.0 document.', headers: {}, content: { 'application/yaml': { schema: asyncApiSchema } } },
      },
    },
  }),
  getExplorer: declareRoute({
    method: 'GET',
    url: '/docs',
    config: {
      operation: {
        action: 'none',
        operationId: 'getExplorer',
        summary: 'Open the API explorer',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: {
      response: { 200: { description: 'The API explorer, an HTML page.', headers: {}, content: { 'text/html': { schema: z.string() } } } },
    },
  }),
  getExplorerFile: declareRoute({
    method: 'GET',
    url: '/docs/:file',
    config: {
      operation: {
        action: 'none',
        operationId: 'getExplorerFile',
        summary: 'Get a file of the API explorer',
        tag: 'Documents',
        problems: ['overloaded'],
      },
    },
    schema: {
      params: z.strictObject({ file: z.enum(['explorer.js', 'swagger-ui.css', 'swagger-ui-bundle.js']) }),
      response: { 200: { description: 'The file.', headers: {}, content: { '*/*': { schema: bytesSchema } } } },
    },
  }),
}

export function documentRoutes(app: App, components: { documents: () => Promise<Documents>; rates: Pick<Rates, 'take'> }): void {
  const { documents } = components
  const kept = (name: keyof Documents) => ({
    json: createKeptDocument(async () => Buffer.from((await documents())[name].json()), components),
    yaml: createKeptDocument(async () => Buffer.from((await documents())[name].yaml()), components),
  })
  const openapi = kept('openapi')
  const asyncapi = kept('asyncapi')
  const file = (name: keyof typeof assets) => createKeptDocument(assets[name].read, components)
  const files = {
    'explorer.js': file('explorer.js'),
    'swagger-ui.css': file('swagger-ui.css'),
    'swagger-ui-bundle.js': file('swagger-ui-bundle.js'),
  }

  app.route({
    ...documentContract.getOpenApiJson,
    handler: (request, reply) => openapi.json.send(request, reply.type(jsonType)),
  })

  app.route({
    ...documentContract.getOpenApiYaml,
    handler: (request, reply) => openapi.yaml.send(request, reply.type(yamlType)),
  })

  app.route({
    ...documentContract.getAsyncApiJson,
    handler: (request, reply) => asyncapi.json.send(request, reply.type(jsonType)),
  })

  app.route({
    ...documentContract.getAsyncApiYaml,
    handler: (request, reply) => asyncapi.yaml.send(request, reply.type(yamlType)),
  })

  app.route({
    ...documentContract.getExplorer,
    handler: async (_request, reply) => {
      reply.type('text/html; charset=utf-8').header('content-security-policy', explorerPolicy)
      return page
    },
  })

  app.route({
    ...documentContract.getExplorerFile,
    handler: (request, reply) => {
      const { file } = request.params
      return files[file].send(request, reply.type(assets[file].type).header('cache-control', 'private, max-age=3600'))
    },
  })
}
