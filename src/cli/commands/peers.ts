import type { Command } from 'commander'
import { z } from 'zod'
import { connect } from '../globals.ts'
import { listed } from '../listed.ts'

const peerSchema = z.looseObject({
  peerId: z.string(),
  state: z.string(),
  direction: z.string().nullish(),
  path: z.string().nullish(),
  agent: z.string().nullish(),
  latencyMs: z.number().nullish(),
  label: z.string().nullish(),
})

const pingSchema = z.object({ latencyMs: z.number() })

export function addPeers(program: Command): void {
  const peers = program.command('peers').description('the peers of the gateway: list them, connect to one, block one')
  peers
    .command('list', { isDefault: true })
    .description('list peers')
    .option('--state <state>', 'connected, known or blocked')
    .action(async (options: { state?: string }, command: Command) => {
      const { remote, output } = await connect(command)
      const rows = await listed(remote, '/v1/peers', peerSchema, { state: options.state })
      if (output.isJson) for (const row of rows) output.json(row)
      else {
        output.table(rows, {
          PEER: ({ peerId }) => peerId,
          STATE: ({ state }) => state,
          DIRECTION: ({ direction }) => direction ?? '',
          PATH: ({ path }) => path ?? '',
          LATENCY: ({ latencyMs }) => (typeof latencyMs === 'number' ? `${latencyMs.toFixed(1)} ms` : ''),
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
      const peer = await remote.call('POST', '/v1/peers', peerSchema, { body })
      if (output.isJson) output.json(peer)
      else output.line(`${peer.peerId}\t${peer.state}`)
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
        const changed = await remote.call('PATCH', pathOf(peer), peerSchema, { body: changes })
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
      const changed = await remote.call('PATCH', pathOf(peer), peerSchema, { body: { label } })
      if (output.isJson) output.json(changed)
    })
  peers
    .command('ping')
    .description('measure the time to a peer and back')
    .argument('<peer>')
    .action(async (peer: string, _options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const ping = await remote.call('POST', `${pathOf(peer)}/ping`, pingSchema)
      if (output.isJson) output.json(ping)
      else output.line(`${ping.latencyMs.toFixed(1)} ms`)
    })
}

const pathOf = (peer: string) => `/v1/peers/${encodeURIComponent(peer)}`
