import { runConformanceTests } from '@durable-streams/server-conformance-tests'
import { afterAll, beforeAll, type RunnerTask } from 'vitest'
import { getCurrentSuite } from 'vitest/suite'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { type WritableStreams, writableStreams } from './writable-streams.ts'

/**
 * The protocol's own tests of servers: those of reading. The others are of creating, appending, closing, forking and
 * deleting streams, of types other than JSON, and of subscriptions, which a topic of a gateway does not have.
 */
const chapters: Record<string, 'all' | RegExp> = {
  'Read Operations': 'all',
  'Long-Poll Operations': 'all',
  'HTTP Protocol': /GET|empty stream|from offset/,
  'Browser Security Headers': /GET|HEAD|SSE|long-poll|error/,
  'HEAD Metadata': 'all',
  'Offset Validation and Resumability': 'all',
  'Protocol Edge Cases': /immutability|monotonically|offset parameter|unknown query/,
  'Long-Poll Edge Cases': 'all',
  'Caching and ETag': /^(?!.*CORS)/,
  'Chunking and Large Payloads': /pagination/,
  'Read-Your-Writes Consistency': 'all',
  'SSE Mode': /^(?!.*(?:binary|base64|payloads|injection|Data-Encoding))/,
  'JSON Mode': /charset|wrap|multiple appends|mixed|types|structure|iterator|nested|double-wrapped|primitive/,
  'Property-Based Tests (fast-check)': 'all',
  'Operation Sequence Properties': /monotonically|immediately visible/,
  'Immutability Properties': 'all',
  'Offset Validation Properties': 'all',
}

const server = { baseUrl: '' }
let gateway: Gateway
let streams: WritableStreams

beforeAll(async () => {
  const rates = { addressRate: 1e6, addressBurst: 1e6, tokenRate: 1e6, tokenBurst: 1e6 }
  gateway = await memoryGateway(createMemoryNetwork(), rates, createMemoryStore(), { longPollMs: 1_000 })
  streams = await writableStreams(gateway.url)
  server.baseUrl = streams.url
})

afterAll(async () => {
  await streams.close()
  await gateway.stop()
})

runConformanceTests(server)
keepChosen()

/** Takes the tests that do not apply out of what was declared. */
function keepChosen(): void {
  const declared = getCurrentSuite()
  declared.tasks.splice(0, Infinity, ...declared.tasks.filter(({ name }) => Object.hasOwn(chapters, name)))
  for (const chapter of declared.tasks) {
    if (chapter.type !== 'collector') continue
    const { collect } = chapter
    chapter.collect = async (file) => {
      const suite = await collect(file)
      suite.tasks = suite.tasks.filter(isChosen)
      return suite
    }
  }
}

function isChosen(task: RunnerTask): boolean {
  if (task.type === 'suite') {
    task.tasks = task.tasks.filter(isChosen)
    return task.tasks.length > 0
  }
  const chosen = chapters[task.suite?.name ?? '']
  return chosen === 'all' || chosen?.test(task.name) === true
}
