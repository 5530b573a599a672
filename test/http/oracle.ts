import { expect } from 'vitest'
import { z } from 'zod'

/** The published contract as the judge of answers: a status, code, media type or field that it does not know fails the test. */
export interface Oracle {
  judge(method: string, path: string, answer: HttpAnswer): void
}

export interface HttpAnswer {
  status: number
  headers: Record<string, string>
  text: string | undefined
}

interface OpenApi {
  paths: Record<string, Record<string, OperationObject>>
  components: { schemas: Record<string, unknown>; responses: Record<string, ResponseObject> }
}

interface OperationObject {
  responses: Record<string, ResponseObject>
  'x-codes': Record<string, string[]>
}

interface ResponseObject {
  $ref?: string
  content?: Record<string, { schema: unknown }>
}

const problemSchema = z.object({ code: z.string(), status: z.int() })

export function createOracle(openapi: OpenApi): Oracle {
  const paths = Object.entries(openapi.paths).map(([template, operations]) => ({
    shape: new RegExp(`^${template.replaceAll(/[.]/g, '\\.').replaceAll(/\{\w+\}/g, '[^/]*')}$`),
    operations,
  }))
  // Answers may gain fields for clients; a test must know each of them.
  const definitions = closed(openapi.components.schemas)

  function fits(schema: unknown, value: unknown): void {
    const whole: Parameters<typeof z.fromJSONSchema>[0] = { ...object(closed(schema)), $defs: object(definitions) }
    expect(z.fromJSONSchema(whole).safeParse(value).error?.issues ?? []).toEqual([])
  }

  function documented(method: string, path: string): OperationObject | undefined {
    const operations = paths.find(({ shape }) => shape.test(path))?.operations ?? {}
    return operations[method.toLowerCase().replace('head', 'get')]
  }

  /** The response itself, or the shared one that it refers to. */
  function resolved(response: ResponseObject | undefined): ResponseObject | undefined {
    return response?.$ref === undefined ? response : openapi.components.responses[response.$ref.replace('#/components/responses/', '')]
  }

  return {
    judge(method, path, { status, headers, text }) {
      const operation = documented(method, path.replace(/\?.*/, ''))
      const response = resolved(operation?.responses[status])
      const type = headers['content-type']?.split(';')[0] ?? ''
      if (response === undefined) {
        // Only what is not in the contract at all is refused in ways that it does not list.
        expect([status, type]).toEqual([expect.toBeOneOf([403, 404, 405, 421]), 'application/problem+json'])
        return
      }
      const content = response.content?.[type] ?? response.content?.['*/*']
      if (response.content === undefined) expect(text ?? '').toBe('')
      else expect(content, `${status} ${type}`).toBeDefined()
      if (!type.endsWith('json') || method === 'HEAD') return
      const body: unknown = JSON.parse(text ?? '')
      fits(content?.schema, body)
      if (type !== 'application/problem+json') return
      const problem = problemSchema.parse(body)
      expect(problem.status).toBe(status)
      expect(operation?.['x-codes'][status]).toContain(problem.code)
    },
  }
}

/** The schema with its references made local, its objects closed, and of its enumerations only what is known. */
export function closed(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema), (key, value) => {
    if (key === '$ref') return value.replace('#/components/schemas/', '#/$defs/')
    if (key === 'example') return undefined
    const known = value?.['x-extensible-enum']
    if (Array.isArray(known)) return { enum: Array.isArray(value.type) && value.type.includes('null') ? [...known, null] : known }
    const open = value !== null && typeof value === 'object' && 'properties' in value && !('additionalProperties' in value)
    return open ? { ...value, additionalProperties: false } : value
  })
}

function object(value: unknown): Record<string, never> {
  return value !== null && typeof value === 'object' ? { ...value } : {}
}
