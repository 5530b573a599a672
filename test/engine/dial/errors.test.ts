import { expect, test } from 'vitest'
import { dialError } from '../../../src/engine/dial/errors.ts'
import { AddressNotReached } from '../../../src/engine/dial/gate.ts'
import { DialFailed, DialForbidden, PeerBlocked } from '../../../src/errors.ts'

const address = '/ip4/192.0.2.1/tcp/1'
const denied = Object.assign(new Error('The dial request is blocked by gater.allowDialPeer'), { name: 'DialDeniedError' })
const forbidden = new AddressNotReached([{ multiaddr: address, message: 'it is private', forbidden: true }])

test('a peer is blocked when all that was tried says so', () => {
  expect(dialError(address, denied)).toBeInstanceOf(PeerBlocked)
  expect(dialError(address, new AggregateError([denied, denied]))).toBeInstanceOf(PeerBlocked)
  expect(dialError(address, new AggregateError([denied, new Error('connect ECONNREFUSED')]))).toBeInstanceOf(DialFailed)
})

test('a dial is forbidden when all addresses are', () => {
  expect(dialError(address, forbidden)).toBeInstanceOf(DialForbidden)
  expect(dialError(address, new AggregateError([forbidden, new Error('connect ECONNREFUSED')]))).toBeInstanceOf(DialFailed)
})

test('words of the other end are shown without control characters, and not at length', () => {
  const error = dialError(address, new Error(`gone\u0000\u001b[31m${'x'.repeat(100_000)}`))
  expect(error.message).toMatch(/could not be dialled: gone\ufffd\ufffd\[31mx+\.$/)
  expect(error.message.length).toBeLessThan(400)
})
