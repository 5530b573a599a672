import { useState } from 'preact/hooks'
import { Field } from './parts.tsx'
import { useMay } from './rights.ts'

/** Fields that several forms have. */

export interface NumberSetting<Name extends string> {
  name: Name
  label: string
  /** What one stands for. Default: 1. */
  unit?: number
  min?: number
}

export function NumberFields<Name extends string>(props: {
  settings: ReadonlyArray<NumberSetting<Name>>
  values: Record<Name, number>
  change: (values: Record<Name, number>) => void
}) {
  const { settings, values, change } = props
  return (
    <>
      {settings.map((setting) => (
        <NumberField
          key={setting.name}
          setting={setting}
          initial={values[setting.name]}
          change={(value) => change({ ...values, [setting.name]: value })}
        />
      ))}
    </>
  )
}

/** Keeps what is being typed as text, as a list that is read again meanwhile renders the field anew. */
function NumberField(props: { setting: NumberSetting<string>; initial: number; change: (value: number) => void }) {
  const { setting, initial, change } = props
  const { label, unit = 1, min = 0 } = setting
  const [text, setText] = useState(String(initial / unit))
  return (
    <Field label={label}>
      <input
        type="number"
        required
        min={min / unit}
        step="any"
        value={text}
        onInput={({ currentTarget: { value, valueAsNumber } }) => {
          setText(value)
          // The browser says what is missing.
          if (!Number.isNaN(valueAsNumber)) change(Math.round(valueAsNumber * unit))
        }}
      />
    </Field>
  )
}

/** Topics and patterns, as text, and direct messages. */
export interface Selection {
  topics: string
  direct: boolean
}

export const noSelection: Selection = { topics: '', direct: false }

export function SelectionFields({ selection, change }: { selection: Selection; change: (selection: Selection) => void }) {
  const may = useMay()
  const { topics, direct } = selection
  return (
    <>
      <Field label="Topics and patterns">
        <input
          class="long"
          required={!direct}
          value={topics}
          onInput={({ currentTarget }) => change({ ...selection, topics: currentTarget.value })}
        />
      </Field>
      {(may('direct') || direct) && (
        <label class="check">
          <input type="checkbox" checked={direct} onChange={() => change({ ...selection, direct: !direct })} /> Direct messages too
        </label>
      )}
    </>
  )
}

const positions = [
  { value: 'latest', name: 'now' },
  { value: 'earliest', name: 'with the first message' },
  { value: 'cursor', name: 'after a cursor' },
]

/** A position in the log. @param props.change with `earliest`, `latest` or a cursor */
export function PositionField({ label, initial, change }: { label: string; initial: string; change: (position: string) => void }) {
  const [kind, setKind] = useState(initial)
  return (
    <>
      <Field label={label}>
        <select
          value={kind}
          onChange={({ currentTarget: { value } }) => {
            setKind(value)
            change(value === 'cursor' ? '' : value)
          }}
        >
          {positions.map(({ value, name }) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </Field>
      {kind === 'cursor' && (
        <Field label="Cursor">
          <input required class="code" onInput={({ currentTarget }) => change(currentTarget.value.trim())} />
        </Field>
      )}
    </>
  )
}
