import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { closeCodes } from '../../src/stream/close-codes.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'

const mask = [0, 0, 0, 0]
/** A frame of one byte at most, unmasked by zeros (RFC 6455 §5.2). */
const frame = (head: number, ...data: number[]) => Buffer.from([head, 0x80 | data.length, ...mask, ...data])
const text = 0x81
const openText = 0x01
const openContinuation = 0x00

test.each([
  ['a reserved opcode', frame(0x83), 'protocolError'],
  ['a frame of a compressed message without the extension', frame(text | 0x40), 'protocolError'],
  ['text that is not UTF-8', frame(text, 0xff), 'notText'],
  ['a message of too many fragments', Buffer.concat([frame(openText), ...Array(2_000).fill(frame(openContinuation))]), 'fragments'],
  ['text that is not a frame', frame(text, 0x31), 'badFrame'],
] as const)('a client that sends %s is closed with a code of the contract', async (_, bytes, name) => {
  const gateway = await memoryGateway(createMemoryNetwork())
  onTestFinished(() => gateway.stop())
  const socket = new WebSocket(`${gateway.url.replace(/^http/, 'ws')}/v1/stream`, { perMessageDeflate: false })
  onTestFinished(() => socket.terminate())
  let wire: Duplex | undefined
  socket.once('upgrade', (response: IncomingMessage) => {
    wire = response.socket
  })
  await once(socket, 'message')
  wire?.write(bytes)
  const [code, reason] = await once(socket, 'close')
  expect({ code, reason: String(reason) }).toEqual({ code: closeCodes[name].code, reason: closeCodes[name].reason })
})
