import { useState } from 'preact/hooks'
import { NumberFields } from '../fields.tsx'
import { gateway, type Schemas, useChanges } from '../gateway.ts'
import { Facts, Failure, Opened, Range } from '../parts.tsx'
import { useMay } from '../rights.ts'
import { number, selected, time } from '../words.ts'
import { ParkedMessages } from './parked-messages.tsx'

type Consumer = Schemas['ConsumerState']

export const deliverySettings = [
  { name: 'ackWaitMs', label: 'Acknowledgement timeout, s', unit: 1_000, min: 100 },
  { name: 'maxUnacked', label: 'Maximum unacknowledged', min: 1 },
  { name: 'maxDeliveries', label: 'Deliveries before parking (0: no limit)' },
  { name: 'backoffMs', label: 'Retry delay, s', unit: 1_000 },
] as const

/** A consumer: what it is, its settings, and its parked messages. */
export function OpenedConsumer({ consumer, changed, close }: { consumer: Consumer; changed: () => void; close: () => void }) {
  const may = useMay()
  const { name, order, createdAt, createdBy, position, waiting, unacked, workers, traffic, gaps, lastGap } = consumer
  const { delivered, settled } = traffic
  const { act, error } = useChanges(changed)
  const facts = [
    { name: 'Topics', value: selected(consumer) },
    { name: 'Order', value: order },
    { name: 'Created', value: `${time(createdAt)}, by ${createdBy}` },
    { name: 'Position', value: <code>{position}</code> },
    { name: 'Pending', value: pendingOf(consumer) },
    { name: 'Waiting', value: number(waiting) },
    { name: 'Unacked', value: number(unacked) },
    { name: 'Workers of this gateway', value: number(workers) },
    { name: 'Delivered and settled here', value: `${number(delivered)} and ${number(settled)}` },
    { name: 'Gaps', value: number(gaps) },
    ...(lastGap === undefined ? [] : [{ name: 'Last gap', value: <Range {...lastGap} /> }]),
  ]
  return (
    <Opened title={`Consumer ${name}`} close={close}>
      <Facts facts={facts} />
      {may('consume') && (
        <>
          <h3>Deliveries</h3>
          <Delivery
            consumer={consumer}
            save={(body) => void act(() => gateway.rest.call('patch', '/v1/consumers/{name}', { path: { name }, body }))}
          />
          <p>
            <button
              type="button"
              onClick={() =>
                confirm(`Delete the consumer ${name}? Its position is lost. The messages stay in the log.`) &&
                void act(() => gateway.rest.call('delete', '/v1/consumers/{name}', { path: { name } }))
              }
            >
              Delete {name}
            </button>
          </p>
        </>
      )}
      <Failure error={error} />
      <ParkedMessages consumer={name} changed={changed} />
    </Opened>
  )
}

function Delivery({ consumer, save }: { consumer: Consumer; save: (change: Schemas['ConsumerChange']) => void }) {
  const { ackWaitMs, maxUnacked, maxDeliveries, backoffMs } = consumer
  const [values, setValues] = useState({ ackWaitMs, maxUnacked, maxDeliveries, backoffMs })
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault()
        save(values)
      }}
    >
      <NumberFields settings={deliverySettings} values={values} change={setValues} />
      <button class="first" type="submit">
        Save
      </button>
    </form>
  )
}

export function pendingOf({ pending, isPendingExact }: Consumer): string {
  return `${isPendingExact ? '' : '≥ '}${number(pending)}`
}
