import { gateway, type Schemas, usePoll } from '../gateway.ts'
import { Listing, Opened } from '../parts.tsx'
import { useMay } from '../rights.ts'
import { time } from '../words.ts'
import { peerColumn, wayColumn } from './peer-columns.tsx'

/** Who has joined a topic: peers, and the clients because of which this gateway has. */
export function Subscribers({ topic, close }: { topic: string; close: () => void }) {
  const may = useMay()
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
      <h3>Peers that have joined it</h3>
      <Listing
        label="Subscribers"
        list={peers}
        columns={[peerColumn, wayColumn]}
        keyOf={({ peerId }) => peerId}
        none="No connected peer has joined it."
      />
      {may('admin') && <Users topic={topic} />}
    </Opened>
  )
}

function Users({ topic }: { topic: string }) {
  const users = usePoll(
    async () => {
      const [{ items }, tokens] = await Promise.all([
        gateway.rest.call('get', '/v1/topics/{topic}/users', { path: { topic } }),
        gateway.rest.call('get', '/v1/tokens', { query: { limit: 500 } }),
      ])
      const names = new Map(tokens.items.map(({ id, name }) => [id, name]))
      return { items: items.map((user) => ({ ...user, name: nameOf(user, names) })), next: null }
    },
    5_000,
    topic,
  )
  return (
    <>
      <h3>Clients for which it is joined here</h3>
      <Listing
        label="Clients"
        list={users}
        columns={[
          { name: 'Client', cell: ({ name }) => name },
          { name: 'Joined by', cell: ({ explicit }) => (explicit ? 'asking for it, until it is left' : 'using it') },
          { name: 'Since', cell: ({ joinedAt }) => time(joinedAt) },
          { name: 'Last used', cell: ({ usedAt }) => time(usedAt) },
        ]}
        keyOf={({ client }) => client}
        none="It is not joined here."
      />
    </>
  )
}

function nameOf({ client }: Schemas['TopicUser'], names: Map<string, string>): string {
  if (client === 'local') return 'Programs on the host of a gateway'
  return names.get(client) ?? (client || 'Not known')
}
