import { startChild } from './child.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'

/**
 * (g) A link of the custom engine between two processes: its frames, records and cipher, without the layers above. The
 * limit, in the same run, is TLS 1.3 of Node.js with the same cipher; beside both, a bare WebSocket with that cipher.
 */

const loads = [
  { bytes: 300, frames: 400_000 },
  { bytes: 16_384, frames: 30_000 },
]
const kinds = ['tls', 'bare', 'link'] as const
type Kind = (typeof kinds)[number]
/** Rounds alternate; the first is a warm-up. */
const rounds = 4

export async function benchLink(): Promise<BenchResult> {
  const rows: BenchRow[] = []
  for (const load of loads) {
    const rates: Record<Kind, number[]> = { tls: [], bare: [], link: [] }
    for (let round = 0; round < rounds; round++) {
      for (const kind of kinds) rates[kind].push(await rate(kind, load))
    }
    const [limit = 0, bare = 0, value = 0] = kinds.map((kind) => percentile(rates[kind].slice(1), 0.5))
    rows.push(
      { label: `TLS 1.3 with ChaCha20-Poly1305, ${load.bytes} bytes a write`, value: limit, unit: 'MB/s' },
      { label: `bare ws and cipher, ${load.bytes} bytes a message`, value: bare, unit: 'MB/s', ofLimit: bare / limit },
      { label: `a link, ${load.bytes} bytes a frame`, value, unit: 'MB/s', ofLimit: value / limit },
    )
  }
  return { name: '(g) a link of the custom engine', rows }
}

/** Megabytes a second. */
async function rate(kind: Kind, { bytes, frames }: (typeof loads)[number]): Promise<number> {
  await using resources = new AsyncDisposableStack()
  const load = [String(frames), String(bytes)]
  const receiver = resources.adopt(startChild('./link-peer.ts', [kind, 'receive', ...load]), (started) => started.end())
  const { port } = await receiver.next<{ port: number }>()
  resources.adopt(startChild('./link-peer.ts', [kind, 'send', ...load, String(port)]), (started) => started.end())
  const { seconds } = await receiver.next<{ seconds: number }>()
  return (bytes * (frames - 1)) / seconds / 1e6
}
