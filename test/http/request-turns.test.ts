import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { inTurns } from '../../src/http/request-turns.ts'
import type { LoopJob } from '../../src/lib/loop-turns.ts'

/** A server whose turns the test begins, and what it handles. */
function server() {
  const jobs: LoopJob[] = []
  const handled: string[] = []
  const open = new Map<string, EventEmitter>()
  const receive = inTurns(({ url = '' }) => handled.push(url), { run: (job) => void (jobs.includes(job) || jobs.push(job)) })

  return {
    handled,
    /** One request of each waiting address. */
    turn(): void {
      for (const job of jobs.splice(0)) if (job()) jobs.push(job)
    },
    ask(socket: { destroyed: boolean }, ...urls: string[]): void {
      for (const url of urls) {
        const response = new EventEmitter()
        open.set(url, response)
        receive({ socket, url } as IncomingMessage, response as ServerResponse)
      }
    },
    answer: (url: string) => void open.get(url)?.emit('close'),
  }
}

const from = (remoteAddress: string) => ({ remoteAddress, destroyed: false })

test('a pipelined request is handled when the one before it is answered', () => {
  const { handled, turn, ask, answer } = server()
  const socket = from('192.0.2.1')
  ask(socket, 'a', 'b', 'c')
  turn()
  turn()
  expect(handled).toEqual(['a'])
  answer('a')
  turn()
  expect(handled).toEqual(['a', 'b'])
  answer('b')
  ask(socket, 'd')
  for (const url of ['c', 'd']) {
    turn()
    answer(url)
  }
  expect(handled).toEqual(['a', 'b', 'c', 'd'])
  ask(socket, 'e')
  turn()
  expect(handled).toEqual(['a', 'b', 'c', 'd', 'e'])
})

test('addresses take turns, however many connections one of them has', () => {
  const { handled, turn, ask } = server()
  for (let index = 0; index < 100; index++) ask(from(`2001:db8::${index}`), `flood ${index}`)
  ask(from('192.0.2.2'), 'honest')
  turn()
  expect(handled).toEqual(['flood 0', 'honest'])
  turn()
  expect(handled).toEqual(['flood 0', 'honest', 'flood 1'])
})

test('nothing more is handled of a connection that has ended', () => {
  const { handled, turn, ask, answer } = server()
  const [one, other] = [from('192.0.2.1'), from('192.0.2.1')]
  ask(one, 'a', 'b')
  turn()
  one.destroyed = true
  ask(one, 'c')
  answer('a')
  ask(other, 'gone')
  other.destroyed = true
  for (let turns = 0; turns < 4; turns++) turn()
  expect(handled).toEqual(['a'])
})
