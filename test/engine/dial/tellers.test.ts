import { expect, test } from 'vitest'
import { createTellers } from '../../../src/engine/dial/tellers.ts'

test('who told an address is known by where it leads, whatever peer ids it names, and of a way through a relay by the relay', () => {
  const tellers = createTellers({ hostOf: (ip) => ip })
  const teller = { ip: '8.8.4.7', isRelayed: false }
  tellers.told(['/ip4/8.8.8.8/tcp/1/ws/p2p/one', '/ip4/8.8.8.9/tcp/1/ws/p2p/relay/p2p-circuit/p2p/two'], teller)
  expect(tellers.of('/ip4/8.8.8.8/tcp/1/ws/p2p/another')).toEqual([teller])
  expect(tellers.of('/ip4/8.8.8.8/tcp/1/ws')).toEqual([teller])
  expect(tellers.of('/ip4/8.8.8.9/tcp/1/ws')).toEqual([teller])
  expect(tellers.of('/ip4/8.8.8.8/tcp/2/ws/p2p/one')).toEqual([])
})
