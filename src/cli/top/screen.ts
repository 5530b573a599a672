import { bytes, duration, number, plural } from '../../../console/words.ts'
import { visible } from '../output.ts'
import type { Figures, PeerFigures, TopicFigures } from './figures.ts'
import type { Sorting } from './sortings.ts'

export interface ScreenInit {
  url: string
  /** Size of the terminal in columns and lines; Infinity without a terminal. */
  columns: number
  rows: number
  sorting: Sorting
  /** Why the figures are not of now. */
  failure?: string | undefined
}

type Columns<T> = Record<string, (row: T) => string>

/** The screen, line by line: never more lines, or longer ones, than the terminal has. */
export function renderScreen(figures: Figures, { url, columns, rows, sorting, failure }: ScreenInit): string[] {
  const head = [...headOf(figures, url), ...(failure === undefined ? [] : [`! ${failure}`]), '']
  const topics = figures.topics.toSorted(orders[sorting])
  const room = Math.max(0, rows - head.length - 3)
  const forPeers = Math.min(figures.peers.length, Math.max(Math.floor(room / 3), room - topics.length))
  return [...head, ...table(topics, topicColumns(sorting), room - forPeers), '', ...table(figures.peers, peerColumns, forPeers)]
    .map((line) => cut(visible(line), columns))
    .slice(0, rows)
}

function headOf({ node, perSecond, waiting, clients, process }: Figures, url: string): string[] {
  const { engine, version, reachability, uptimeMs, peers, topics } = node
  const lines = [
    `peergate ${version} (${engine}, ${reachability}) at ${url}, up ${duration(uptimeMs)}: ${plural(peers, 'peer')}, ${plural(topics, 'joined topic')}`,
  ]
  if (process === null || waiting === null || clients === null) {
    return [...lines, 'The gateway serves its metrics on another port (PEERGATE_METRICS_PORT): rates and loads are not shown.']
  }
  const { publications, bytes: waitingBytes, deliveries, unsentTopics, validations } = waiting
  const cpu = process.cpuPercent === null ? '–' : `${number(process.cpuPercent)} %`
  return [
    ...lines,
    perSecond === null
      ? 'per second  –'
      : `per second  ${number(perSecond.published)} published, ${number(perSecond.received)} from peers, ${number(perSecond.requests)} requests, ${number(perSecond.refused)} refused`,
    `waiting     ${plural(publications, 'publication')} (${bytes(waitingBytes)}), ${plural(deliveries, 'direct message')}, ${plural(unsentTopics, 'topic')} without subscriber, ${plural(validations, 'validation')}`,
    `clients     ${plural(clients.connections, 'connection')}, ${plural(clients.streams, 'stream')}, ${plural(clients.subscriptions, 'subscription')}, the slowest ${plural(clients.lagMessages, 'message')} behind`,
    `process     CPU ${cpu}, memory ${bytes(process.residentBytes)}, event loop ${process.eventLoopDelayMs} ms late`,
  ]
}

const orders: Record<Sorting, (a: TopicFigures, b: TopicFigures) => number> = {
  growth: (a, b) => (b.growthPerSecond ?? 0) - (a.growthPerSecond ?? 0) || byName(a, b),
  in: (a, b) => (b.inPerSecond ?? 0) - (a.inPerSecond ?? 0) || byName(a, b),
  out: (a, b) => (b.outPerSecond ?? 0) - (a.outPerSecond ?? 0) || byName(a, b),
  messages: (a, b) => b.messages - a.messages || byName(a, b),
  bytes: (a, b) => b.bytes - a.bytes || byName(a, b),
  subscribers: (a, b) => b.subscribers - a.subscribers || byName(a, b),
  topic: byName,
}

function byName(a: TopicFigures, b: TopicFigures): number {
  return a.topic < b.topic ? -1 : Number(a.topic > b.topic)
}

function topicColumns(sorting: Sorting): Columns<TopicFigures> {
  const columns: [Sorting | 'joined', string, (row: TopicFigures) => string][] = [
    ['topic', 'TOPIC', ({ topic }) => topic],
    ['growth', 'GROWTH/S', ({ growthPerSecond }) => (growthPerSecond === null ? '–' : number(growthPerSecond))],
    ['in', 'IN/S', ({ inPerSecond }) => (inPerSecond === null ? '–' : number(inPerSecond))],
    ['out', 'OUT/S', ({ outPerSecond }) => (outPerSecond === null ? '–' : number(outPerSecond))],
    ['messages', 'MESSAGES', ({ messages }) => number(messages)],
    ['bytes', 'BYTES', ({ bytes: stored }) => bytes(stored)],
    ['subscribers', 'SUBSCRIBERS', ({ subscribers }) => number(subscribers)],
    ['joined', 'JOINED', ({ joined }) => (joined ? 'yes' : 'no')],
  ]
  return Object.fromEntries(columns.map(([name, title, cell]) => [name === sorting ? `${title}*` : title, cell]))
}

const peerColumns: Columns<PeerFigures> = {
  PEER: ({ peerId, label }) => label ?? peerId,
  NETWORK: ({ networks }) => networks.join('+'),
  PATH: ({ path }) => path ?? '',
  DIRECTION: ({ direction }) => direction ?? '',
  LATENCY: ({ latencyMs }) => (latencyMs === null ? '' : `${number(latencyMs)} ms`),
  'IN/S': ({ inPerSecond }) => (inPerSecond === null ? '–' : number(inPerSecond)),
  'OUT/S': ({ outPerSecond }) => (outPerSecond === null ? '–' : number(outPerSecond)),
  SCORE: ({ score }) => (score === null ? '' : number(score)),
  TOPICS: ({ topics }) => number(topics),
  AGENT: ({ agent }) => agent ?? '',
}

/** Titles and rows; the last line says how many more there are. */
function table<T>(all: T[], columns: Columns<T>, room: number): string[] {
  const rows = all.length <= room ? all : all.slice(0, Math.max(0, room - 1))
  const titles = Object.keys(columns)
  const cells = [titles, ...rows.map((row) => Object.values(columns).map((cell) => visible(cell(row))))]
  const widths = titles.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)))
  const lines = cells.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return all.length > rows.length && room > 0 ? [...lines, `and ${number(all.length - rows.length)} more`] : lines
}

function cut(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`
}
