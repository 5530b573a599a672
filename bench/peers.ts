import { openGateway, openGatewayRoad } from './gateway-ways.ts'
import type { Way } from './passage.ts'
import { openCentrifugo } from './peers/centrifugo.ts'
import { compareFanOuts, type FanOutLoad } from './peers/fan-outs.ts'
import { openJetStream, openJetStreamRoad } from './peers/jetstream.ts'
import { openKubo } from './peers/kubo.ts'
import { openMosquitto } from './peers/mosquitto.ts'
import { findProgram, missingPrograms, type ProgramName } from './peers/programs.ts'
import { openRedis } from './peers/redis.ts'
import { compareWays, type TurnsLoad } from './peers/ways-in-turns.ts'
import type { BenchResult } from './result.ts'

/**
 * The gateway beside programs that others know, in turns, in one run: those that are installed (`peers/programs.ts`),
 * each with its own protocol, and with clients that find messages in the bytes. Between two servers, in one server, and
 * to many subscribers of one.
 */

type Open = (resources: AsyncDisposableStack, program: string) => Promise<Way>

const roads: Partial<Record<ProgramName, Open>> = { nats: openJetStreamRoad, kubo: openKubo }
const single: Partial<Record<ProgramName, Open>> = {
  nats: openJetStream,
  redis: openRedis,
  mosquitto: openMosquitto,
  centrifugo: openCentrifugo,
}

export async function benchPeers(turns: TurnsLoad, fanOut: FanOutLoad): Promise<BenchResult> {
  const rows = [
    ...(await compare(
      [(resources) => openGatewayRoad(resources, 'custom'), (resources) => openGatewayRoad(resources, 'libp2p')],
      roads,
      turns,
    )),
    ...(await compare([openGateway], single, turns)),
    ...(await compareFanOuts(fanOut)),
  ]
  return { name: 'the gateway beside others, 256 bytes', rows, notes: missingPrograms() }
}

async function compare(
  own: Array<(resources: AsyncDisposableStack) => Promise<Way>>,
  others: Partial<Record<ProgramName, Open>>,
  load: TurnsLoad,
) {
  await using resources = new AsyncDisposableStack()
  const ways: Way[] = []
  for (const open of own) ways.push(await open(resources))
  for (const [name, open] of Object.entries(others)) {
    const program = findProgram(name as ProgramName)
    if (program !== undefined) ways.push(await open(resources, program))
  }
  return await compareWays(ways, own.length, load)
}
