import { expect, test } from 'vitest'
import { StoreUnavailable } from '../../src/errors.ts'
import type { Probes } from '../../src/http/routes/probes.ts'
import { appForTest } from './app-for-test.ts'

const position = async () => ({ tip: 0, earliest: 0, prunedThrough: 0, pruneCount: 0 })

function probes(started: boolean, draining: boolean, store: Probes['store'] = { position }): Probes {
  return { started: () => started, draining: () => draining, store }
}

test.each([
  [false, false, 503, 503],
  [true, false, 200, 200],
  [true, true, 200, 503],
])('started %s, draining %s: /startedz %d, /readyz %d, /healthz 200', async (started, draining, startedz, readyz) => {
  const { call } = await appForTest({ components: { probes: probes(started, draining) } })
  expect((await call('GET', '/startedz')).status).toBe(startedz)
  expect(await call('GET', '/readyz')).toMatchObject({ status: readyz, body: { checks: { started, draining, database: 'ok' } } })
  expect((await call('GET', '/healthz')).status).toBe(200)
})

test('shows that the database is not there, or hangs, and stays ready', async () => {
  const gone = { position: () => Promise.reject(new StoreUnavailable('gone')) }
  const hanging = { position: () => new Promise<never>(() => undefined) }
  for (const store of [gone, hanging]) {
    const { call } = await appForTest({ components: { probes: probes(true, false, store) } })
    expect(await call('GET', '/readyz')).toMatchObject({ status: 200, body: { status: 'ok', checks: { database: 'unavailable' } } })
  }
})
