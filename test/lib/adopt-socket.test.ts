import { EventEmitter, once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { adopt, adoptSocketsOf } from '../../src/lib/adopt-socket.ts'

const src = fileURLToPath(new URL('../../src', import.meta.url))

test('an adopted socket may fail with nobody else listening, and goes on telling those who listen', () => {
  const socket = adopt(new EventEmitter())
  const seen: unknown[] = []
  socket.emit('error', new Error('first'))
  const note = (error: unknown) => seen.push(error)
  socket.on('error', note)
  socket.emit('error', 'second')
  socket.off('error', note)
  socket.emit('error', new Error('third'))
  expect(seen).toEqual(['second'])
})

test('a server adopts what it accepts, before anybody else has it', async () => {
  const server = createServer()
  const listeners: number[] = []
  server.on('connection', (socket) => listeners.push(socket.listenerCount('error')))
  server.on('upgrade', (_request, socket) => {
    listeners.push(socket.listenerCount('error'))
    socket.emit('error', new Error('nobody listens'))
    socket.destroy()
  })
  adoptSocketsOf(server).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const client = connect(address.port, '127.0.0.1')
  client.on('error', () => undefined)
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  await once(client, 'close')
  expect(listeners).toHaveLength(2)
  expect(Math.min(...listeners)).toBeGreaterThan(0)
})

test('an HTTP server handles a request with an expectation that is not known like any other', async () => {
  const server = adoptSocketsOf(createServer((_request, response) => void response.end('handled'))).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const client = connect(address.port, '127.0.0.1')
  client.end('GET / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\nConnection: close\r\n\r\n')
  const answer = (await client.setEncoding('utf8').toArray()).join('')
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n.*handled$/s)
})

/** Where a socket or a server comes to be. */
const births = /\b(new WebSocket|new WebSocketServer|createServer|createTlsServer|connectTcp|connectTls|createSecureServer|createSocket)\(/g

test('every place of the program that makes sockets adopts them', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.includes('generated'),
  )
  const making = files.filter((name) => readFileSync(join(src, name), 'utf8').match(births) !== null)
  expect(making).toContain(join('engine', 'custom', 'link', 'listener.ts'))
  const forgetful = making.filter((name) => !/\badopt(SocketsOf)?\(/.test(readFileSync(join(src, name), 'utf8')))
  expect(forgetful).toEqual([])
})
