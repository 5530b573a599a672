import { type Command, Option } from 'commander'
import { connect } from '../globals.ts'
import { listed } from '../listed.ts'

const states = ['connected', 'known', 'blocked'] as const

export function addPeers(program: Command): void {
  const peers = program.command('peers').description('the peers of the gateway: list them, connect to one, block one')
  peers
    .command('list', { isDefault: true })
    .description('list peers')
    .addOption(new Option('--state <state>').choices(states))
    .action(async (options: { state?: (typeof states)[number] }, command: Command) => {
      const { remote, output } = await connect(command)
      const rows = await listed(remote, (query) => remote.call('get', '/v1/peers', { query: { ...query, ...options } }))
      if (output.isJson) for (const row of rows) output.json(row)
      else {
        output.table(rows, {
          PEER: ({ peerId }) => peerId,
          STATE: ({ state }) => state,
          DIRECTION: ({ direction }) => direction ?? '',
          PATH: ({ path }) => path ?? '',
          LATENCY: ({ latencyMs }) => (typeof latencyMs === 'number' ? `${latencyMs.toFixed(1)} ms` : ''),
          IN: ({ traffic }) => traffic.messagesIn,
          OUT: ({ traffic }) => traffic.messagesOut,
          SCORE: ({ score }) => (typeof score === 'number' ? score.toFixed(1) : ''),
          AGENT: ({ agent }) => agent ?? '',
          LABEL: ({ label }) => label ?? '',
        })
      }
    })
  peers
    .command('dial')
    .description('connect to a peer')
    .argument('<address>', 'a multiaddr, or the id of a peer, which is looked up')
    .action(async (address: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const body = address.includes('/') ? { multiaddr: address } : { peerId: address }
      const peer = await remote.call('post', '/v1/peers', { body })
      if (output.isJson) output.json(peer)
      else output.row([peer.peerId, peer.state])
    })
  for (const [name, description, changes] of [
    ['block', 'cut the link of a peer, and take none again', { blocked: true }],
    ['unblock', 'take links of a peer again', { blocked: false }],
  ] as const) {
    peers
      .command(name)
      .description(description)
      .argument('<peer>')
      .action(async (peer: string, _options: object, command: Command) => {
        const { remote, output } = await connect(command)
        const changed = await remote.call('patch', '/v1/peers/{peerId}', { path: { peerId: peer }, body: changes })
        if (output.isJson) output.json(changed)
      })
  }
  peers
    .command('label')
    .description('give a peer a name of your own')
    .argument('<peer>')
    .argument('<label>')
    .action(async (peer: string, label: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const changed = await remote.call('patch', '/v1/peers/{peerId}', { path: { peerId: peer }, body: { label } })
      if (output.isJson) output.json(changed)
    })
  peers
    .command('ping')
    .description('measure the time to a peer and back')
    .argument('<peer>')
    .action(async (peer: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const ping = await remote.call('post', '/v1/peers/{peerId}/ping', { path: { peerId: peer } })
      if (output.isJson) output.json(ping)
      else output.line(`${ping.latencyMs.toFixed(1)} ms`)
    })
}
