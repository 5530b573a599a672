import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { exitCodes } from '../exit-codes.ts'
import { CommandFailed } from '../failures.ts'
import { connect } from '../globals.ts'
import { payloadOf, readInput } from '../input.ts'
import { commandLimits } from '../limits.ts'
import { parseSeconds } from '../numbers.ts'

const { patienceMs } = commandLimits

/** Milliseconds between two looks at a delivery. */
const lookEveryMs = 250

export function addSend(program: Command): void {
  program
    .command('send')
    .description('send a direct message to a peer: it is kept and tried until the peer has it on its disk')
    .argument('<peer>', 'the id of the peer')
    .argument('[data]', 'the message; - or nothing: the standard input')
    .option('-f, --file <file>', 'read a file instead of the standard input')
    .option('--expires <seconds>', 'give up after this time', parseSeconds)
    .option('--wait', 'wait until the peer has it')
    .action(
      async (peer: string, data: string | undefined, options: { file?: string; expires?: number; wait?: boolean }, command: Command) => {
        const { remote, output } = await connect(command)
        const body = {
          ...payloadOf(await readInput({ data, file: options.file })),
          ...(options.expires === undefined ? {} : { expiresInMs: options.expires * 1_000 }),
        }
        const input = { path: { peerId: peer }, body, headers: { 'idempotency-key': randomUUID() } }
        let delivery = await remote.patiently(patienceMs, () => remote.call('post', '/v1/peers/{peerId}/messages', input))
        const path = { id: delivery.id }
        while (options.wait === true && delivery.state === 'queued') {
          await delay(lookEveryMs)
          delivery = await remote.patiently(patienceMs, () => remote.call('get', '/v1/deliveries/{id}', { path }))
        }
        if (output.isJson) output.json(delivery)
        else output.row([delivery.id, delivery.state])
        if (options.wait === true && delivery.state !== 'delivered') {
          throw new CommandFailed(`The message is ${delivery.state}: ${delivery.lastError ?? 'without a word why'}`, exitCodes.failure)
        }
      },
    )
}

export function addRequest(program: Command): void {
  program
    .command('request')
    .description('ask a service of a peer, and print its answer')
    .argument('<peer>', 'the id of the peer')
    .argument('<service>')
    .argument('[data]', 'the request; - or nothing: the standard input')
    .option('-f, --file <file>', 'read a file instead of the standard input')
    .option('--timeout <seconds>', 'how long to wait for the answer', parseSeconds)
    .action(
      async (peer: string, service: string, data: string | undefined, options: { file?: string; timeout?: number }, command: Command) => {
        const { remote, output } = await connect(command)
        const body = {
          ...payloadOf(await readInput({ data, file: options.file })),
          ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout * 1_000 }),
        }
        const path = { peerId: peer, service }
        const answer = await remote.call('post', '/v1/peers/{peerId}/requests/{service}', { path, body })
        if (output.isJson) return output.json(answer)
        output.data(answer)
      },
    )
}
