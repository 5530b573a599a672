import type { Context, Span, Tracer } from '@opentelemetry/api'
import { version } from '../version.ts'

/**
 * OpenTelemetry traces of a message: the request, its wait in the inbox, the append of its batch, the hand-over.
 * Without a configured endpoint no package of OpenTelemetry is loaded, and the calls do nothing.
 */

interface Tracing {
  api: typeof import('@opentelemetry/api')
  tracer: Tracer
}

/** Set by `startTracing`. */
let tracing: Tracing | undefined

/** Exports spans to an OTLP over HTTP endpoint. Returns a function that flushes and stops the export. */
export async function startTracing(init: { endpoint: string; ratio: number; instance: string }): Promise<() => Promise<void>> {
  const [api, sdk, { OTLPTraceExporter }, { AsyncLocalStorageContextManager }, { W3CTraceContextPropagator }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/api'),
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
  api.trace.setGlobalTracerProvider(provider)
  api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  api.propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  tracing = { api, tracer: api.trace.getTracer('peergate', version) }
  return () => provider.shutdown()
}

/** The span of a request, and how to run the work that belongs to it. */
export interface RequestSpan {
  span: Span
  run(work: () => void): void
}

/** Starts the span of an HTTP request, in the trace named by its headers (W3C Trace Context). */
export function traceRequest(name: string, headers: Record<string, unknown>, attributes: Record<string, string>): RequestSpan | undefined {
  if (tracing === undefined) return undefined
  const { context, propagation, SpanKind, trace } = tracing.api
  const parent = propagation.extract(context.active(), headers)
  const span = tracing.tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent)
  return { span, run: (work) => context.with(trace.setSpan(parent, span), work) }
}

/** The active trace context; undefined when it is not recorded. */
export function traceContext(): Context | undefined {
  if (tracing === undefined) return undefined
  const active = tracing.api.context.active()
  return tracing.api.trace.getSpan(active)?.isRecording() === true ? active : undefined
}

/** Records a wait that began `sinceMs` milliseconds ago and ends now. */
export function traceWait(name: string, within: Context, sinceMs: number): void {
  tracing?.tracer.startSpan(name, { startTime: Date.now() - sinceMs }, within).end()
}

/** Traces work for several requests at once: a span in the first request's trace, with links to the others. */
export async function traceShared<Result>(name: string, asked: Context[], count: number, work: () => Promise<Result>): Promise<Result> {
  const [first, ...others] = asked
  if (tracing === undefined || first === undefined) return await work()
  const { context, trace } = tracing.api
  const links = others.flatMap((each) => {
    const spanContext = trace.getSpanContext(each)
    return spanContext === undefined ? [] : { context: spanContext }
  })
  const span = tracing.tracer.startSpan(name, { links, attributes: { 'messaging.batch.message_count': count } }, first)
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
  if (tracing === undefined) return
  span.setStatus({ code: tracing.api.SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
}
