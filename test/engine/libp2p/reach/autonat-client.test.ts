import type { Connection } from '@libp2p/interface'
import { lpStream, streamPair } from '@libp2p/utils'
import { expect, onTestFinished, test } from 'vitest'
import { createAutonatClient } from '../../../../src/engine/libp2p/reach/autonat-client.ts'
import {
  decodeMessage,
  dialStatus,
  encodeDialBack,
  encodeMessage,
  responseStatus,
} from '../../../../src/engine/libp2p/reach/autonat-messages.ts'
import { silentLog } from '../../../fixtures/log.ts'

const signal = AbortSignal.timeout(60_000)

test.each([
  ['has dialled back', true, true],
  ['only says so', false, undefined],
])('a peer that %s has reached this node: %s', async (_, dialsBack, expected) => {
  const client = createAutonatClient({ timeoutMs: 60_000 }, { logger: silentLog })
  const [[own, far], [arriving, dialled]] = [await streamPair(), await streamPair()]
  onTestFinished(() => {
    for (const stream of [own, far, arriving, dialled]) stream.abort(new Error('the test is over'))
  })
  const asked: Connection = Object.assign(Object.create(null), { newStream: async () => own })
  const answer = client.ask(asked, '/ip4/11.0.0.1/tcp/1', signal)
  const peer = lpStream(far)
  const request = decodeMessage((await peer.read({ signal })).subarray())
  if (request.type !== 'dialRequest') throw new Error('not a request')
  if (dialsBack) {
    const handled = client.onDialBack(arriving, Object.assign(Object.create(null), { direction: 'inbound', direct: true }))
    await lpStream(dialled).write(encodeDialBack(request.nonce), { signal })
    await handled
  }
  await peer.write(encodeMessage({ type: 'dialResponse', status: responseStatus.ok, index: 0, dialStatus: dialStatus.ok }), { signal })
  expect(await answer).toBe(expected)
})
