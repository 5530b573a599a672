import type { Command } from 'commander'
import { connect } from '../globals.ts'
import { payloadOf, readInput } from '../input.ts'

export function addDht(program: Command): void {
  const dht = program.command('dht').description('the distributed hash table: peers, providers of content, small values')
  dht
    .command('peer')
    .description('look up the addresses of a peer')
    .argument('<peer>')
    .action(async (peer: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const found = await remote.call('get', '/v1/dht/peers/{peerId}', { path: { peerId: peer } })
      if (output.isJson) output.json(found)
      else for (const address of found.multiaddrs) output.line(address)
    })
  dht
    .command('providers')
    .description('find peers that provide content')
    .argument('<cid>')
    .action(async (cid: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const { items } = await remote.call('get', '/v1/dht/providers/{cid}', { path: { cid } })
      if (output.isJson) for (const item of items) output.json(item)
      else output.table(items, { PEER: ({ peerId }) => peerId, ADDRESSES: ({ multiaddrs }) => multiaddrs.join(' ') })
    })
  for (const [name, method, description] of [
    ['provide', 'post', 'say that the gateway provides content, until it is taken back'],
    ['unprovide', 'delete', 'take it back'],
  ] as const) {
    dht
      .command(name)
      .description(description)
      .argument('<cid>')
      .action(async (cid: string, _options: object, command: Command) => {
        const { remote } = await connect(command)
        await remote.call(method, '/v1/dht/providers/{cid}', { path: { cid } })
      })
  }
  dht
    .command('get')
    .description('get a value')
    .argument('<key>')
    .action(async (key: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const value = await remote.call('get', '/v1/dht/values', { query: { key } })
      if (output.isJson) output.json(value)
      else output.data(value)
    })
  dht
    .command('put')
    .description('put a value')
    .argument('<key>')
    .argument('[data]', 'the value; - or nothing: the standard input')
    .option('-f, --file <file>', 'read a file instead of the standard input')
    .action(async (key: string, data: string | undefined, options: { file?: string }, command: Command) => {
      const { remote, output } = await connect(command)
      const body = payloadOf(await readInput({ data, file: options.file }))
      const value = await remote.call('put', '/v1/dht/values', { query: { key }, body })
      if (output.isJson) output.json(value)
    })
}
