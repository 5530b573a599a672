import { expect, test } from 'vitest'
import { createRest } from '../../clients/typescript/src/rest.ts'

/** REST of a server that answers so. */
function restOf(body: string | null, init: ResponseInit) {
  return createRest({ url: 'http://127.0.0.1', fetch: async () => new Response(body, init) })
}

const problem = { code: 'overloaded', title: 'Busy', detail: 'later', retryable: true }

test('an answer is JSON as a value, text as it is, or nothing', async () => {
  const json = { headers: { 'content-type': 'application/json; charset=utf-8' } }
  expect(await restOf('{"items":[]}', json).call('get', '/v1/topics')).toEqual({ items: [] })
  const metrics: string = await restOf('peergate_peers 3\n', { headers: { 'content-type': 'text/plain; version=0.0.4' } }).call(
    'get',
    '/metrics',
  )
  expect(metrics).toBe('peergate_peers 3\n')
  expect(await restOf(null, { status: 204 }).call('delete', '/v1/topics/{topic}', { path: { topic: 'a' } })).toBeUndefined()
})

test('a refusal has the code of its problem, and says how long to wait', async () => {
  const refused = restOf(JSON.stringify(problem), { status: 503, headers: { 'retry-after': '2' } }).call('get', '/v1/node')
  await expect(refused).rejects.toMatchObject({ code: 'overloaded', message: 'later', retryable: true, status: 503, retryAfterMs: 2_000 })
})

test('what is no gateway gives an error with a code, whatever it answers', async () => {
  const page = { headers: { 'content-type': 'text/html' } }
  await expect(restOf('<p>Welcome', page).call('get', '/v1/node')).rejects.toMatchObject({ code: 'protocol_error' })
  const busy = { ...page, status: 502, headers: { 'retry-after': 'tomorrow' } }
  const refused = restOf('<p>Bad gateway', busy).call('get', '/v1/node')
  await expect(refused).rejects.toMatchObject({ code: 'http_502', retryable: true, retryAfterMs: undefined })
})
