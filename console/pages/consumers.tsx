import { useRef, useState } from 'preact/hooks'
import { PeergateError } from '../../clients/typescript/src/index.ts'
import { NumberFields, noSelection, PositionField, SelectionFields } from '../fields.tsx'
import { gateway, type Schemas, useChanges, usePoll } from '../gateway.ts'
import { Badge, Card, Failure, Field, Listing, openColumn } from '../parts.tsx'
import { type Counts, perSecond, rateOf } from '../rates.ts'
import { useMay } from '../rights.ts'
import { number, patternsOf, selected } from '../words.ts'
import { deliverySettings, OpenedConsumer, pendingOf } from './consumer.tsx'

type Consumer = Schemas['ConsumerState']
type Rated = Consumer & { delivered: number | undefined; settled: number | undefined }

/** Consumers that are shown at a time: the gateway counts what each has to do. */
const maxRows = 25
const orders = ['none', 'author', 'strict'] as const satisfies Array<Schemas['DeliveryOrder']>

export function Consumers() {
  const may = useMay()
  const [wanted, setWanted] = useState('')
  const before = useRef<(Counts & { wanted: string }) | undefined>(undefined)
  const consumers = usePoll(
    async () => {
      const { items, next } = await readConsumers(wanted)
      const now = { wanted, at: Date.now(), counts: new Map(items.flatMap(countsOf)) }
      const rates = perSecond(before.current?.wanted === wanted ? before.current : undefined, now)
      before.current = now
      return {
        items: items.map((each) => ({
          ...each,
          delivered: rates.get(`delivered ${each.name}`),
          settled: rates.get(`settled ${each.name}`),
        })),
        next,
      }
    },
    5_000,
    wanted,
  )
  const [opened, setOpened] = useState<string>()
  const shown = consumers.value?.items.find(({ name }) => name === opened)
  return (
    <>
      <Card
        title="Consumers"
        aside={
          <Field label="Search">
            {/* With each letter the gateway would count again. What is being typed stays, as no value is given. */}
            <input type="search" onChange={({ currentTarget }) => setWanted(currentTarget.value)} />
          </Field>
        }
      >
        <Listing
          label="Consumers"
          list={consumers}
          columns={[
            { name: 'Consumer', cell: ({ name }: Rated) => name },
            { name: 'Topics', cell: selected },
            { name: 'Position', cell: ({ position }) => <code class="whole">{position}</code> },
            { name: 'Pending', cell: pendingOf, number: true },
            { name: 'Waiting', cell: ({ waiting }) => number(waiting), number: true },
            { name: 'Unacked', cell: ({ unacked }) => number(unacked), number: true },
            { name: 'Parked', cell: ({ parked }) => (parked === 0 ? '0' : <Badge tone="bad">{number(parked)}</Badge>), number: true },
            { name: 'Workers', cell: ({ workers }) => number(workers), number: true },
            { name: 'Delivered', cell: ({ delivered }) => rateOf(delivered), number: true },
            { name: 'Settled', cell: ({ settled }) => rateOf(settled), number: true },
            { name: 'Gaps', cell: ({ gaps }) => number(gaps), number: true },
            openColumn(({ name }: Rated) => name, setOpened),
          ]}
          keyOf={({ name }) => name}
          none={wanted === '' ? 'There is no consumer.' : 'No consumer has this in its name or topics.'}
        />
      </Card>
      {shown !== undefined && (
        <OpenedConsumer key={shown.name} consumer={shown} changed={consumers.again} close={() => setOpened(undefined)} />
      )}
      {may('consume') && <NewConsumer made={consumers.again} />}
    </>
  )
}

function countsOf({ name, traffic: { delivered, settled } }: Consumer): Array<[string, number]> {
  return [
    [`delivered ${name}`, delivered],
    [`settled ${name}`, settled],
  ]
}

/** `next` tells that there are more. */
async function readConsumers(wanted: string): Promise<{ items: Consumer[]; next: string | null }> {
  const { items } = await gateway.rest.call('get', '/v1/consumers')
  const found = items.filter(({ name, topics }) => [name, ...topics].some((text) => text.toLowerCase().includes(wanted.toLowerCase())))
  const shown = found.slice(0, maxRows)
  const states = await Promise.all(shown.map(({ name }) => stateOf(name)))
  return { items: states.filter((state) => state !== undefined), next: found[maxRows]?.name ?? null }
}

/** Undefined when it has been removed meanwhile. */
async function stateOf(name: string): Promise<Consumer | undefined> {
  try {
    return await gateway.rest.call('get', '/v1/consumers/{name}', { path: { name } })
  } catch (error) {
    if (error instanceof PeergateError && error.code === 'consumer_not_found') return undefined
    throw error
  }
}

function NewConsumer({ made }: { made: () => void }) {
  const [name, setName] = useState('')
  const [selection, setSelection] = useState(noSelection)
  const [order, setOrder] = useState<Schemas['DeliveryOrder']>('none')
  const [after, setAfter] = useState('latest')
  const [delivery, setDelivery] = useState({ ackWaitMs: 30_000, maxUnacked: 1_000, maxDeliveries: 0, backoffMs: 1_000 })
  const { act, error } = useChanges(() => {
    setName('')
    made()
  })

  function create(event: Event) {
    event.preventDefault()
    const body = { topics: patternsOf(selection.topics), direct: selection.direct, order, after, ...delivery }
    void act(() => gateway.rest.call('put', '/v1/consumers/{name}', { path: { name }, body }))
  }

  return (
    <Card title="Create a consumer">
      <form onSubmit={create}>
        <div class="row">
          <Field label="Name">
            <input required value={name} onInput={({ currentTarget }) => setName(currentTarget.value.trim())} />
          </Field>
          <SelectionFields selection={selection} change={setSelection} />
        </div>
        <div class="row">
          <PositionField label="Start" initial="latest" change={setAfter} />
          <Field label="Order">
            <select value={order} onChange={({ currentTarget }) => setOrder(orders.find((each) => each === currentTarget.value) ?? 'none')}>
              {orders.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </Field>
        </div>
        <details>
          <summary>Deliveries</summary>
          <div class="row">
            <NumberFields settings={deliverySettings} values={delivery} change={setDelivery} />
          </div>
        </details>
        <button class="first" type="submit">
          Create
        </button>
      </form>
      <Failure error={error} />
    </Card>
  )
}
