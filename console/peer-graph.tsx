import type { Schemas } from './gateway.ts'
import { shortId } from './words.ts'

/** Peers that the graph shows; the table has all. */
const maxShown = 40
const width = 640
const height = 360

/** The gateway in the middle and its peers around it; dashed lines are links through a relay. The table says the same. */
export function PeerGraph({ own, peers }: { own: string; peers: Schemas['Peer'][] }) {
  const shown = peers.slice(0, maxShown).map((peer, index, all) => {
    const angle = (2 * Math.PI * index) / all.length
    return { peer, x: width / 2 + 230 * Math.cos(angle), y: height / 2 + 130 * Math.sin(angle) }
  })
  return (
    <figure class="graph">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`This gateway is linked to ${peers.length} peers`}>
        {shown.map(({ peer, x, y }) => (
          <line key={peer.peerId} x1={width / 2} y1={height / 2} x2={x} y2={y} class={peer.path === 'relay' ? 'relayed' : ''} />
        ))}
        {shown.map(({ peer, x, y }) => (
          <g key={peer.peerId}>
            <circle cx={x} cy={y} r={9} />
            <text x={x} y={y + 24}>
              {peer.label ?? shortId(peer.peerId)}
            </text>
          </g>
        ))}
        <circle class="own" cx={width / 2} cy={height / 2} r={14} />
        <text x={width / 2} y={height / 2 + 30}>
          {shortId(own)}
        </text>
      </svg>
      {peers.length > maxShown && (
        <figcaption class="faint">
          The first {maxShown} of {peers.length} peers; the table has all.
        </figcaption>
      )}
    </figure>
  )
}
