import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

/** A proxy that buffers the response would never deliver it. */
export const eventHeaders = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' }

/** Begins a response of server-sent events, which goes on after the handler. */
export function beginEvents(reply: FastifyReply, headers: Record<string, string> = {}): ServerResponse {
  reply.hijack()
  // Closes with the response, so that a shutdown need not wait for the client.
  return reply.raw.writeHead(200, { ...definedHeaders(reply.getHeaders()), ...eventHeaders, ...headers, connection: 'close' })
}

function definedHeaders(headers: Record<string, number | string | string[] | undefined>) {
  return Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}
