import { useState } from 'preact/hooks'
import { gateway, type Schemas, useChanges, usePoll } from '../gateway.ts'
import { Badge, Card, Failure, Field, Listing, TextForm } from '../parts.tsx'
import { PeerGraph } from '../peer-graph.tsx'
import { useMay } from '../rights.ts'
import { bytes, number, plural, shortId, time } from '../words.ts'
import { peerColumn, wayColumn } from './peer-columns.tsx'

type Peer = Schemas['Peer']

const states = ['connected', 'known', 'blocked'] as const

export function Network() {
  const may = useMay()
  const [state, setState] = useState<(typeof states)[number]>('connected')
  const node = usePoll(() => gateway.rest.call('get', '/v1/node'), 10_000)
  const peers = usePoll(() => gateway.rest.call('get', '/v1/peers', { query: { state, limit: 500 } }), 5_000, state)
  const [named, setNamed] = useState<Peer>()
  const connecting = useChanges(peers.again)
  const { act, error } = useChanges(() => {
    setNamed(undefined)
    peers.again()
  })

  const change = (peerId: string, body: Schemas['PeerChanges']) =>
    void act(() => gateway.rest.call('patch', '/v1/peers/{peerId}', { path: { peerId }, body }))

  return (
    <>
      <Failure error={error} />
      {state === 'connected' && node.value !== undefined && (peers.value?.items.length ?? 0) > 0 && (
        <Card title="Links">
          <PeerGraph own={node.value.peerId} networks={node.value.networks.map(({ engine }) => engine)} peers={peers.value?.items ?? []} />
        </Card>
      )}
      <Card
        title="Peers"
        aside={
          <Field label="Show">
            <select
              value={state}
              onChange={({ currentTarget }) => setState(states.find((each) => each === currentTarget.value) ?? 'connected')}
            >
              {states.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </Field>
        }
      >
        <Listing
          label="Peers"
          list={peers}
          columns={[
            peerColumn,
            wayColumn,
            { name: 'Latency', cell: ({ latencyMs }) => (latencyMs === null ? '–' : `${number(latencyMs)} ms`), number: true },
            { name: 'Received', cell: ({ traffic }) => exchanged(traffic.messagesIn, traffic.bytesIn), number: true },
            { name: 'Sent', cell: ({ traffic }) => exchanged(traffic.messagesOut, traffic.bytesOut), number: true },
            { name: 'Score', cell: ({ score }) => (score === null ? '–' : number(score)), number: true },
            { name: 'Agent', cell: ({ agent }) => agent ?? '–' },
            { name: 'Topics', cell: ({ topics }) => number(topics.length), number: true },
            { name: 'Last seen', cell: ({ lastSeen }) => <span class="whole">{time(lastSeen)}</span> },
            {
              name: 'Actions',
              cell: (peer) => (
                <span class="actions">
                  {state === 'connected' && (
                    <button
                      type="button"
                      aria-label={`Ping ${peer.peerId}`}
                      onClick={() =>
                        void act(() => gateway.rest.call('post', '/v1/peers/{peerId}/ping', { path: { peerId: peer.peerId } }))
                      }
                    >
                      Ping
                    </button>
                  )}
                  <button type="button" aria-label={`Label ${peer.peerId}`} onClick={() => setNamed(peer)}>
                    Label
                  </button>
                  <button
                    type="button"
                    aria-label={`${state === 'blocked' ? 'Unblock' : 'Block'} ${peer.peerId}`}
                    onClick={() => change(peer.peerId, { blocked: state !== 'blocked' })}
                  >
                    {state === 'blocked' ? 'Unblock' : 'Block'}
                  </button>
                </span>
              ),
            },
          ]}
          keyOf={({ peerId }) => peerId}
          none={state === 'connected' ? 'No peer is connected.' : `No peer is ${state}.`}
        />
      </Card>
      {named !== undefined && (
        <TextForm
          key={named.peerId}
          title={`Label of ${shortId(named.peerId)}`}
          label="Label (empty: none)"
          button="Save"
          close={() => setNamed(undefined)}
          initial={named.label ?? ''}
          isOptional
          submit={(label) => change(named.peerId, { label: label === '' ? null : label })}
        />
      )}
      <TextForm
        title="Connect to a peer"
        label="Multiaddr or peer id"
        button="Connect"
        submit={(address) => {
          const body = address.startsWith('/') ? { multiaddr: address } : { peerId: address }
          void connecting.act(() => gateway.rest.call('post', '/v1/peers', { body }))
        }}
      >
        <Failure error={connecting.error} />
      </TextForm>
      {may('read') && (
        <Card title="This gateway">
          <Failure error={node.error} />
          {node.value !== undefined && <Own node={node.value} />}
        </Card>
      )}
    </>
  )
}

/** Messages of topics since the peer is linked. */
function exchanged(messages: number, size: number): string {
  return `${number(messages)} (${bytes(size)})`
}

function Own({ node }: { node: Schemas['Node'] }) {
  return (
    <>
      <p>
        <code>{node.peerId}</code>
      </p>
      {node.networks.map((network) => (
        <OwnNetwork key={network.engine} network={network} />
      ))}
    </>
  )
}

function OwnNetwork({ network: { engine, multiaddrs, reachability, peers } }: { network: Schemas['NodeNetwork'] }) {
  const { state, confirmed, observed, relays } = reachability
  return (
    <section aria-label={`Network ${engine}`}>
      <p>
        <strong>{engine}</strong>: {plural(peers, 'peer')}, reachability{' '}
        <Badge tone={state === 'hidden' ? 'bad' : state === 'direct' ? 'good' : 'neutral'}>{state}</Badge>
      </p>
      <ul>
        {multiaddrs.map((multiaddr) => (
          <li key={multiaddr}>
            <code>{multiaddr}</code>
          </li>
        ))}
        {confirmed.map((address) => (
          <li key={`confirmed ${address.multiaddr}`}>
            <code>{address.multiaddr}</code>, dialled back by {plural(address.peers, 'peer')}
          </li>
        ))}
        {observed.length > 0 && <li>Peers see it at {observed.join(', ')}</li>}
        {relays.map((relay) => (
          <li key={`relay ${relay}`}>
            It can be reached through the relay <code title={relay}>{shortId(relay)}</code>
          </li>
        ))}
      </ul>
    </section>
  )
}
