import type { Schemas } from './gateway.ts'
import { Keys } from './parts.tsx'
import { plural, shortId } from './words.ts'

type Peer = Schemas['Peer']

/** Peers that the graph shows; the table has all. */
const maxShown = 40
const width = 640
const height = 360
/** Classes of the networks, in the order of the node's own list. */
const colours = ['first', 'second'] as const

/**
 * The gateway in the middle and its peers around it; dashed lines are links through a relay. A bridge has the peers of
 * its first network on the right and those of the second on the left. The table says the same.
 */
export function PeerGraph({ own, networks, peers }: { own: string; networks: string[]; peers: Peer[] }) {
  const shown = peers.slice(0, maxShown)
  const sides = networks.map((network) => shown.filter((peer) => peer.networks[0] === network))
  const places = sides.flatMap((side, sideIndex) =>
    side.map((peer, index) => {
      const angle = angleOf(sideIndex, sides.length, (index + 0.5) / side.length)
      return { peer, colour: colours[sideIndex] ?? '', x: width / 2 + 230 * Math.cos(angle), y: height / 2 + 130 * Math.sin(angle) }
    }),
  )
  return (
    <figure class="graph">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`This gateway is linked to ${plural(peers.length, 'peer')}`}>
        {places.map(({ peer, colour, x, y }) => (
          <line
            key={peer.peerId}
            x1={width / 2}
            y1={height / 2}
            x2={x}
            y2={y}
            class={peer.path === 'relay' ? `${colour} relayed` : colour}
          />
        ))}
        {places.map(({ peer, colour, x, y }) => (
          <g key={peer.peerId}>
            <circle cx={x} cy={y} r={9} class={colour} />
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
      {networks.length > 1 && <Keys keys={networks.map((name, index) => ({ name, colour: colours[index] ?? '' }))} />}
      {peers.length > maxShown && (
        <p class="faint">
          The first {maxShown} of {peers.length} peers; the table has all.
        </p>
      )}
    </figure>
  )
}

/** Of a peer at a part (0 to 1) of its side. The middle of the first side is at the right; angles go down, as the axes of SVG do. */
function angleOf(side: number, sides: number, part: number): number {
  const arc = (2 * Math.PI) / sides
  return arc * (side + part - 0.5)
}
