import { gateway, usePoll } from '../gateway.ts'
import { Listing, Opened } from '../parts.tsx'
import { peerColumn, wayColumn } from './peer-columns.tsx'

/** Who else has joined a topic. */
export function Subscribers({ topic, close }: { topic: string; close: () => void }) {
  const peers = usePoll(
    async () => {
      const { items, next } = await gateway.rest.call('get', '/v1/peers', { query: { state: 'connected', limit: 500 } })
      return { items: items.filter((peer) => peer.topics.includes(topic)), next }
    },
    5_000,
    topic,
  )
  return (
    <Opened title={`Subscribers of ${topic}`} close={close}>
      <Listing
        label="Subscribers"
        list={peers}
        columns={[peerColumn, wayColumn]}
        keyOf={({ peerId }) => peerId}
        none="No connected peer has joined it."
      />
    </Opened>
  )
}
