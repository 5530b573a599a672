import { expect, test } from 'vitest'
import { canRoute, createRoutedNetwork } from '../../fixtures/routed-network.ts'
import { paths, startPair, startReaders, startRelay } from '../../fixtures/routed-pair.ts'

/* `matrix.test.ts` has the kinds of routers through which a link becomes direct. */

test('with libp2p 1,000 of 1,000 messages arrive once each way while the link becomes direct (needs network namespaces)', {
  timeout: 240_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const network = await createRoutedNetwork(['port-restricted', 'port-restricted'])
  await network.part(0, 1)
  const pair = await startPair('libp2p', network, [await startRelay('libp2p', network)])
  await expect.poll(() => paths(pair), { timeout: 60_000, interval: 500 }).toEqual(['relay', 'relay'])
  const readers = await startReaders(pair)
  await readers.publish()
  await network.mend(0)
  for (let round = 1; round < 10 || (await paths(pair)).includes('relay'); round++) await readers.publish()
  await readers.expectAll()
})
