import { type Context, context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { version } from '../version.ts'

/**
 * OpenTelemetry traces of a message: the request, its wait in the inbox, the append of its batch, the hand-over.
 * Without a configured endpoint no provider is registered, and the calls cost next to nothing.
 */

const tracer = trace.getTracer('peergate', version)

/**
 * Exports spans to an OTLP over HTTP endpoint, whose packages are loaded on demand. Returns a function that flushes and
 * stops the export.
 */
export async function startTracing(init: { endpoint: string; ratio: number; instance: string }): Promise<() => Promise<void>> {
  const [sdk, { OTLPTraceExporter }, { AsyncLocalStorageContextManager }, { W3CTraceContextPropagator }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/context-async-hooks'),
      import('@opentelemetry/core'),
      import('@opentelemetry/resources'),
    ])
  const url = new URL('v1/traces', init.endpoint.replace(/\/*$/, '/')).href
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'peergate', 'service.version': version, 'service.instance.id': init.instance }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(init.ratio) }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url }) })],
  })
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  return () => provider.shutdown()
}

/** Starts the span of an HTTP request, in the trace named by its headers (W3C Trace Context). */
export function traceRequest(
  name: string,
  headers: Record<string, unknown>,
  attributes: Record<string, string>,
): { span: Span; within: Context } {
  const parent = propagation.extract(context.active(), headers)
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent)
  return { span, within: trace.setSpan(parent, span) }
}

/** The active trace context; undefined when it is not recorded. */
export function traceContext(): Context | undefined {
  const active = context.active()
  return trace.getSpan(active)?.isRecording() === true ? active : undefined
}

/** Records a wait that began `sinceMs` milliseconds ago and ends now. */
export function traceWait(name: string, within: Context, sinceMs: number): void {
  tracer.startSpan(name, { startTime: Date.now() - sinceMs }, within).end()
}

/** Traces work for several requests at once: a span in the first request's trace, with links to the others. */
export async function traceShared<Result>(name: string, asked: Context[], count: number, work: () => Promise<Result>): Promise<Result> {
  const [first, ...others] = asked
  if (first === undefined) return await work()
  const links = others.flatMap((each) => {
    const spanContext = trace.getSpanContext(each)
    return spanContext === undefined ? [] : { context: spanContext }
  })
  const span = tracer.startSpan(name, { links, attributes: { 'messaging.batch.message_count': count } }, first)
  try {
    return await context.with(trace.setSpan(first, span), work)
  } catch (error) {
    failSpan(span, error)
    throw error
  } finally {
    span.end()
  }
}

export function failSpan(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
}
