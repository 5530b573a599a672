import type { Schemas } from '../gateway.ts'
import type { Column } from '../parts.tsx'
import { shortId } from '../words.ts'

type Peer = Schemas['Peer']

/** Columns that each table of peers has. */

export const peerColumn: Column<Peer> = {
  name: 'Peer',
  cell: ({ peerId, label }) => (
    <>
      {label !== null && <strong>{label} </strong>}
      <code title={peerId}>{shortId(peerId)}</code>
    </>
  ),
}

export const wayColumn: Column<Peer> = {
  name: 'Path',
  cell: ({ networks, path, direction, via, beyond }) => {
    if (path === null) return '–'
    const over = [...(via === null ? [] : [via]), ...beyond]
    return (
      <>
        {[...networks, path, ...(direction === null ? [] : [direction])].join(', ')}
        {over.map((peerId) => (
          <span key={peerId}>
            {' '}
            over <code title={peerId}>{shortId(peerId)}</code>
          </span>
        ))}
      </>
    )
  },
}
