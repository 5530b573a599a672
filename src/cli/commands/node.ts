import type { Command } from 'commander'
import { connect } from '../globals.ts'
import type { Field } from '../output.ts'

export function addNode(program: Command): void {
  program
    .command('node')
    .description('show the gateway: its id, addresses, engine and counts')
    .action(async (_options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const node = await remote.call('get', '/v1/node')
      if (output.isJson) return output.json(node)
      output.fields([
        ['peer', node.peerId],
        ['engine', node.engine],
        ['version', node.version],
        ...node.multiaddrs.map((address): Field => ['address', address]),
        ['reachability', node.reachability.state],
        ['up', `${Math.round(node.uptimeMs / 1_000)} s`],
        ['peers', node.counts.peers],
        ['topics', node.counts.topics],
        ['streams', node.counts.streams],
        ['log', `${node.log.earliest} … ${node.log.latest}`],
      ])
    })
}
