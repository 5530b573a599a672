import fastify from 'fastify'
import { tellPort } from './tell-port.ts'

/** Fastify with one route and nothing else: it parses the body and answers JSON with 201. `<the answer as JSON>` */

const answer: unknown = JSON.parse(process.argv[2] ?? '{}')

const app = fastify()
app.post('/v1/topics/:topic/messages', async (request, reply) => {
  reply.code(201)
  return typeof Object(request.body).data === 'string' ? answer : {}
})
await app.listen({ port: 0, host: '127.0.0.1' })
tellPort(app.server)
