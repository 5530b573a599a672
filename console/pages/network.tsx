import { useState } from 'preact/hooks'
import { call, gateway, type Schemas, usePoll, wordsOf } from '../gateway.ts'
import { Badge, Card, Failure, Field, Table } from '../parts.tsx'
import { PeerGraph } from '../peer-graph.tsx'
import { number, shortId, time } from '../words.ts'

type Peer = Schemas['Peer']

const states = ['connected', 'known', 'blocked'] as const

export function Network() {
  const [state, setState] = useState<(typeof states)[number]>('connected')
  const node = usePoll(() => gateway.rest.call('get', '/v1/node'), 10_000)
  const peers = usePoll(() => gateway.rest.call('get', '/v1/peers', { query: { state, limit: 500 } }), 5_000, state)
  const [address, setAddress] = useState('')
  const [named, setNamed] = useState<Peer>()
  const [error, setError] = useState<string>()

  async function act(change: () => Promise<unknown>) {
    setError(undefined)
    try {
      await call(change)
      setNamed(undefined)
      peers.again()
    } catch (failure) {
      setError(wordsOf(failure))
    }
  }

  function dial(event: Event) {
    event.preventDefault()
    const body = address.startsWith('/') ? { multiaddr: address } : { peerId: address }
    void act(() => gateway.rest.call('post', '/v1/peers', { body }))
  }

  const change = (peerId: string, body: Schemas['PeerChanges']) =>
    void act(() => gateway.rest.call('patch', '/v1/peers/{peerId}', { path: { peerId }, body }))

  return (
    <>
      <Card title="Connect to a peer">
        <form class="row" onSubmit={dial}>
          <Field label="Multiaddr or peer id">
            <input required size={40} value={address} onInput={({ currentTarget }) => setAddress(currentTarget.value.trim())} />
          </Field>
          <button class="first" type="submit">
            Connect
          </button>
        </form>
        <Failure error={error} />
      </Card>
      {named !== undefined && <Label key={named.peerId} peer={named} save={(label) => change(named.peerId, { label })} />}
      {state === 'connected' && node.value !== undefined && (peers.value?.items.length ?? 0) > 0 && (
        <Card title="Links">
          <PeerGraph own={node.value.peerId} peers={peers.value?.items ?? []} />
        </Card>
      )}
      <Card
        title="Peers"
        aside={
          <Field label="Which">
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
        <Failure error={peers.error} />
        <Table
          label="Peers"
          columns={[
            {
              name: 'Peer',
              cell: ({ peerId, label }) => (
                <>
                  {label !== null && <strong>{label} </strong>}
                  <code title={peerId}>{shortId(peerId)}</code>
                </>
              ),
            },
            { name: 'Path', cell: ({ path, direction }) => (path === null ? '–' : `${path}, ${direction}`) },
            { name: 'Latency', cell: ({ latencyMs }) => (latencyMs === null ? '–' : `${number(latencyMs)} ms`), number: true },
            { name: 'Agent', cell: ({ agent }) => agent ?? '–' },
            { name: 'Topics', cell: ({ topics }) => number(topics.length), number: true },
            { name: 'Seen', cell: ({ lastSeen }) => time(lastSeen) },
            {
              name: 'Actions',
              cell: (peer) => (
                <span class="actions">
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
          rows={peers.value?.items}
          keyOf={({ peerId }) => peerId}
          none={state === 'connected' ? 'No peer is connected.' : `No peer is ${state}.`}
        />
        {peers.value?.next != null && <p class="faint">There are more peers than are shown here.</p>}
      </Card>
      <Card title="This gateway">
        <Failure error={node.error} />
        {node.value !== undefined && <Own node={node.value} />}
      </Card>
    </>
  )
}

function Label({ peer, save }: { peer: Peer; save: (label: string | null) => void }) {
  const [label, setLabel] = useState(peer.label ?? '')
  return (
    <Card title={`Label of ${shortId(peer.peerId)}`}>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault()
          save(label === '' ? null : label)
        }}
      >
        <Field label="Label, or nothing">
          <input value={label} onInput={({ currentTarget }) => setLabel(currentTarget.value)} />
        </Field>
        <button class="first" type="submit">
          Save
        </button>
      </form>
    </Card>
  )
}

function Own({ node }: { node: Schemas['Node'] }) {
  return (
    <>
      <p>
        <code>{node.peerId}</code>
      </p>
      {node.networks.map(({ engine, multiaddrs, reachability, peers }) => (
        <section key={engine} aria-label={`Network ${engine}`}>
          <p>
            <strong>{engine}</strong>: {number(peers)} peers, reachability{' '}
            <Badge tone={reachability.state === 'private' ? 'bad' : 'neutral'}>{reachability.state}</Badge>
          </p>
          <ul>
            {multiaddrs.map((multiaddr) => (
              <li key={multiaddr}>
                <code>{multiaddr}</code>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  )
}
