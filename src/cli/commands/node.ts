import type { Command } from 'commander'
import { z } from 'zod'
import { connect } from '../globals.ts'

const nodeSchema = z.looseObject({
  peerId: z.string(),
  engine: z.string(),
  version: z.string(),
  multiaddrs: z.array(z.string()),
  reachability: z.object({ state: z.string() }),
  uptimeMs: z.number(),
  counts: z.object({ peers: z.number(), topics: z.number(), streams: z.number() }),
  log: z.object({ earliest: z.string(), latest: z.string() }),
})

export function addNode(program: Command): void {
  program
    .command('node')
    .description('show the gateway: its id, addresses, engine and counts')
    .action(async (_options: object, command: Command) => {
      const { remote, output } = await connect(command)
      const node = await remote.call('GET', '/v1/node', nodeSchema)
      if (output.isJson) return output.json(node)
      const rows = [
        ['peer', node.peerId],
        ['engine', node.engine],
        ['version', node.version],
        ...node.multiaddrs.map((address) => ['address', address]),
        ['reachability', node.reachability.state],
        ['up', `${Math.round(node.uptimeMs / 1_000)} s`],
        ['peers', node.counts.peers],
        ['topics', node.counts.topics],
        ['streams', node.counts.streams],
        ['log', `${node.log.earliest} … ${node.log.latest}`],
      ] as const
      output.table(rows, { NAME: ([name]) => name, VALUE: ([, value]) => value })
    })
}
