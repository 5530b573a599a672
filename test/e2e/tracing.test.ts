import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  startTimeUnixNano: string
  endTimeUnixNano: string
}

/** A collector that takes spans by OTLP over HTTP, in JSON. */
async function collector(): Promise<{ url: string; spans: Span[]; services: Set<string> }> {
  const spans: Span[] = []
  const services = new Set<string>()
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    expect(request.url).toBe('/v1/traces')
    for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
      for (const { key, value } of resource.attributes) if (key === 'service.name') services.add(value.stringValue)
      spans.push(...scopeSpans.flatMap((scope: { spans: Span[] }) => scope.spans))
    }
    response.setHeader('content-type', 'application/json').end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, spans, services }
}

test('a publish is traced along the road, within the trace of its client; what the client does not trace is not', async () => {
  const { url, spans, services } = await collector()
  const env = { ...quietEnvironment(await temporaryDirectory()), OTEL_EXPORTER_OTLP_ENDPOINT: url }
  const gateway = await gatewayForTest(env)
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const clientSpan = 'b7ad6b7169203331'
  const publish = async (flags: string, id = traceId) =>
    await fetch(`${gateway.url}/v1/topics/orders/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${id}-${clientSpan}-${flags}` },
      body: '{"data":"x"}',
    })
  expect((await publish('01')).status).toBe(201)
  expect((await publish('00', 'f'.repeat(32))).status).toBe(201)
  await fetch(`${gateway.url}/v1/topics/none`, { headers: { traceparent: `00-${'a'.repeat(32)}-${clientSpan}-01` } })
  // What is waiting is exported before the end.
  expect(await gateway.end('SIGTERM')).toBe(0)
  expect([...services]).toEqual(['peergate'])
  const road = spans.filter((span) => span.traceId === traceId)
  expect(road.map(({ name }) => name).toSorted()).toEqual(['append', 'hand over', 'inbox', 'publishToTopic'])
  const request = road.find(({ name }) => name === 'publishToTopic')
  expect(request?.parentSpanId).toBe(clientSpan)
  for (const span of road) if (span !== request) expect(span.parentSpanId).toBe(request?.spanId)
  for (const { startTimeUnixNano, endTimeUnixNano } of road)
    expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano))
  expect(spans.filter((span) => span.traceId === 'f'.repeat(32))).toEqual([])
  expect(spans.filter((span) => span.traceId === 'a'.repeat(32)).map(({ name }) => name)).toEqual(['getTopic'])
})
