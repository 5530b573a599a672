import { expect, test } from 'vitest'
import { DatabaseFull, type PeergateError, StoreUnavailable } from '../../src/errors.ts'
import type { Probes } from '../../src/http/routes/probes.ts'
import { appForTest } from './app-for-test.ts'

const position = async () => ({ epoch: 'memory', tip: 0, earliest: 0, prunedThrough: 0, pruneCount: 0, messages: 0 })

function probes(started: boolean, draining: boolean, store: Probes['store'] = { position }, failure?: PeergateError): Probes {
  return { started: () => started, draining: () => draining, store, writes: { failure }, damaged: () => false }
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

test('is not ready while the database is not there, hangs, or takes no writes, and says why', async () => {
  const gone = { position: () => Promise.reject(new StoreUnavailable('gone')) }
  const hanging = { position: () => new Promise<never>(() => undefined) }
  for (const [code, probed] of [
    ['store_unavailable', probes(true, false, gone)],
    ['store_unavailable', probes(true, false, hanging)],
    ['database_full', probes(true, false, { position }, new DatabaseFull('no room'))],
  ] as const) {
    const { call } = await appForTest({ components: { probes: probed } })
    const body = { status: 'unavailable', checks: { started: true, database: 'unavailable' }, code, reason: expect.any(String) }
    expect(await call('GET', '/readyz')).toMatchObject({ status: 503, body })
  }
})

test('shows that pages of the database are damaged, from when that was found', async () => {
  const { call } = await appForTest({ components: { probes: { ...probes(true, false), damaged: () => true } } })
  expect((await call('GET', '/readyz')).body).toMatchObject({ code: 'database_damaged', checks: { database: 'unavailable' } })
})
