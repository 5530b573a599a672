import { benchAppend } from './append.ts'
import { benchBridge } from './bridge.ts'
import { benchConsumers } from './consumers.ts'
import { benchDht } from './dht.ts'
import { benchFanOut } from './fan-out.ts'
import { benchJoinedTopics } from './joined-topics.ts'
import { benchLink } from './link.ts'
import { benchLive } from './live.ts'
import { benchMemory } from './memory.ts'
import { benchOverload } from './overload.ts'
import { benchPeers } from './peers.ts'
import { benchPostgres } from './postgres.ts'
import { benchPublish } from './publish.ts'
import { benchReach } from './reach.ts'
import { benchReaders } from './readers.ts'
import { benchReconnect } from './reconnect.ts'
import { benchReplay } from './replay.ts'
import { benchRequest } from './request.ts'
import type { BenchResult } from './result.ts'
import { benchRoad } from './road.ts'
import { benchSimulation } from './simulation.ts'
import { benchStart } from './start.ts'
import { benchTail } from './tail.ts'

/** @param part of the usual number of messages, where a benchmark lets one choose; below 1 its figures mean little */
type Benchmark = (part: number) => Promise<BenchResult>

export const benchmarks: Record<string, Benchmark> = {
  road: (part) => benchRoad({ messages: 16_000 * part, warmUp: 20_000 * part }),
  live: (part) => benchLive({ messages: 100_000 * part }),
  peers: (part) =>
    benchPeers({ messages: 6_000 * part, warmUp: 20_000 * part, rounds: 3 }, { subscribers: 1_000 * part, messages: 640, rounds: 3 }),
  'fan-out': () => benchFanOut(),
  replay: () => benchReplay(),
  append: () => benchAppend(),
  publish: () => benchPublish(),
  consumers: (part) => benchConsumers({ messages: 10_000 * part }),
  postgres: () => benchPostgres(),
  overload: () => benchOverload(),
  request: () => benchRequest(),
  memory: () => benchMemory(),
  link: () => benchLink(),
  readers: () => benchReaders(),
  reconnect: () => benchReconnect(),
  simulation: () => benchSimulation(),
  dht: () => benchDht(),
  topics: () => benchJoinedTopics(),
  bridge: (part) => benchBridge({ messages: 3_000 * part, rounds: part < 1 ? 1 : 3, calm: { perSecond: 200, messages: 400 * part } }),
  reach: (part) => benchReach({ isQuick: part < 1 }),
  start: () => benchStart(),
  tail: (part) => benchTail({ stored: 200_000 * part, seconds: 20 * part }),
}

/** Those of docs/performance.md: together about a quarter of an hour on two cores. */
export const reported = ['peers', 'road', 'consumers', 'fan-out', 'replay', 'postgres', 'link', 'memory', 'start']
