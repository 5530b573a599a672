import type { FastifyRequest, FastifySchemaCompiler } from 'fastify'
import type { z } from 'zod'
import { InvalidRequest } from '../errors.ts'
import { inputParser } from '../model/validation.ts'

const parts: Record<string, string> = {
  body: 'The body is not valid',
  headers: 'The header fields are not valid',
  querystring: 'The query is not valid',
  params: 'The path is not valid',
}

/** Validates requests by the routes' zod schemas. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = '' }) => {
  const parse = inputParser(schema)
  return (data: unknown) => {
    // Raw bytes, if the operation accepts them.
    if (Buffer.isBuffer(data)) return { value: data }
    // Fastify passes null for a missing body.
    const parsed = parse(data ?? undefined, parts[httpPart] ?? 'The request is not valid')
    if (parsed.error === undefined) return { value: parsed.value }
    if (httpPart === 'body' && data === null) return { error: new InvalidRequest('This operation needs a JSON object as its body.') }
    return parsed
  }
}

/** Refuses a query with broken percent-encoding, which the parser would take literally. */
export async function checkQueryEncoding(request: FastifyRequest): Promise<void> {
  const query = request.url.split('?', 2)[1] ?? ''
  try {
    decodeURIComponent(query)
  } catch {
    throw new InvalidRequest('The query is not well-formed: its percent-encoding is not UTF-8.')
  }
}
