import { yamux } from '@chainsafe/libp2p-yamux'
import type { StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { expect, test } from 'vitest'
import { dropLateWindows } from '../../../../src/engine/libp2p/transport/late-windows.ts'

test('a muxer that is aborted when its connection can be written to no longer throws nothing, and is closed', async () => {
  const [, connection] = multiaddrConnectionPair()
  const muxer: StreamMuxer = yamux({ enableKeepAlive: false })().createStreamMuxer(connection)
  dropLateWindows(muxer)
  const closing = connection.close()
  muxer.abort(new Error('a frame that has no meaning'))
  expect(muxer.status).toBe('closed')
  await closing
})
