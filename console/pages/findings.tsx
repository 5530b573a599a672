import type { Schemas } from '../gateway.ts'
import { Badge, Card, Failure, Table, type Tone } from '../parts.tsx'

/** Problems come first. */
const states: Array<{ state: string; tone: Tone }> = [
  { state: 'problem', tone: 'bad' },
  { state: 'warning', tone: 'neutral' },
  { state: 'ok', tone: 'good' },
]

type Finding = Schemas['Finding'] & { tone: Tone }

export function sorted({ findings }: Schemas['Findings']): Finding[] {
  return states.flatMap(({ state, tone }) => findings.filter((each) => each.state === state).map((each) => ({ ...each, tone })))
}

/** What would stop the gateway or holds it back, each with its fix: disk, clock, database and more. */
export function Findings({ title, findings, error }: { title: string; findings: Finding[] | undefined; error?: string | undefined }) {
  return (
    <Card title={title}>
      <Failure error={error} />
      <Table
        label={title}
        columns={[
          { name: 'What', cell: ({ check }) => check },
          { name: 'State', cell: ({ state, tone }) => <Badge tone={tone}>{state}</Badge> },
          { name: 'Found', cell: ({ detail }) => detail },
          { name: 'What to do', cell: ({ fix }) => fix ?? '–' },
        ]}
        rows={findings}
        keyOf={({ check, detail }) => `${check} ${detail}`}
        none="Nothing was examined."
      />
    </Card>
  )
}
