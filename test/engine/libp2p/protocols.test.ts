import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createProtocols } from '../../../src/engine/libp2p/protocols.ts'
import { createLimitsReached } from '../../../src/engine/limits-reached.ts'

test('protocols that libp2p cannot write into its store end nothing', async () => {
  const lines: string[] = []
  const logger = pino({ base: null }, { write: (line) => void lines.push(line) })
  const protocols = createProtocols(
    { limits: { requestTimeoutMs: 1_000, maxStreamsPerConnection: 10 } },
    {
      bodies: { begin: () => undefined, bytes: 0 },
      reached: createLimitsReached(),
      askerOf: () => ({ peerId: 'peer', host: '192.0.2.1' }),
      logger,
    },
  )
  const failing = () => Promise.reject(new Error('the database is not available'))
  await protocols.register({ handle: failing, unhandle: failing })
  protocols.handle('/late/1.0.0', async ({ body }) => body, { maxRequestBytes: 10, maxConcurrent: 1 })
  protocols.unhandle('/late/1.0.0')
  await expect.poll(() => lines.filter((line) => line.includes('could not be stored')).length).toBe(2)
})
