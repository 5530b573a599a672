import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Rates } from '../../access/rates.ts'
import { RouteNotFound } from '../../errors.ts'
import { packageRoot } from '../../lib/package-root.ts'
import { createKeptDocument } from '../kept-document.ts'
import { type App, bytesSchema, declareRoute } from '../operation.ts'

/** `npm ci` builds the console into it, and the package contains it. */
const directory = join(packageRoot, 'dist/console')

/** The page loads scripts, styles and the explorer from files only, and calls nothing but its gateway. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const types = { 'console.js': 'text/javascript; charset=utf-8', 'console.css': 'text/css; charset=utf-8' } as const

export const consoleContract = {
  getConsole: declareRoute({
    method: 'GET',
    url: '/',
    config: {
      operation: {
        action: 'none',
        operationId: 'getConsole',
        summary: 'Open the console',
        tag: 'Documents',
        problems: ['route_not_found', 'overloaded'],
      },
    },
    schema: {
      response: { 200: { description: 'The console, an HTML page.', headers: {}, content: { 'text/html': { schema: z.string() } } } },
    },
  }),
  getConsoleFile: declareRoute({
    method: 'GET',
    url: '/console/:file',
    config: {
      operation: {
        action: 'none',
        operationId: 'getConsoleFile',
        summary: 'Get a file of the console',
        tag: 'Documents',
        problems: ['route_not_found', 'overloaded'],
      },
    },
    schema: {
      params: z.strictObject({ file: z.enum(['console.js', 'console.css']) }),
      response: { 200: { description: 'The file.', headers: {}, content: { '*/*': { schema: bytesSchema } } } },
    },
  }),
}

export function consoleRoutes(app: App, components: { rates: Pick<Rates, 'take'> }): void {
  const kept = (file: string) => createKeptDocument(() => read(file), components)
  const page = kept('index.html')
  const files = { 'console.js': kept('console.js'), 'console.css': kept('console.css') }

  app.route({
    ...consoleContract.getConsole,
    handler: (request, reply) => page.send(request, reply.type('text/html; charset=utf-8').header('content-security-policy', policy)),
  })

  app.route({
    ...consoleContract.getConsoleFile,
    handler: (request, reply) => {
      const { file } = request.params
      return files[file].send(request, reply.type(types[file]))
    },
  })
}

/** @throws RouteNotFound when the gateway runs from source whose packages were installed without their scripts */
async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(join(directory, file))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new RouteNotFound('The console is not built here; npm run build makes it.')
    throw error
  }
}
