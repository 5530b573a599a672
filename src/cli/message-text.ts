import { Misuse } from './failures.ts'
import type { Output } from './output.ts'

/** What is shown of a message. */
export interface ShownMessage {
  cursor: string
  id: string
  topic?: string | undefined
  from: string
  data: unknown
  encoding: string
  receivedAt: string
}

const fields = ['cursor', 'id', 'topic', 'from', 'data', 'encoding', 'receivedAt'] as const

/**
 * How messages are printed: as JSON, by a template, or on a line each: for people with the time, the topic, the end of
 * the author's id and the data; elsewhere with tabs between time, topic, author and data, this as a text of JSON.
 * @throws Misuse when the template names what a message has not
 */
export function messagePrinter(output: Output, template: string | undefined): (message: ShownMessage) => void {
  if (output.isJson) return output.json
  if (template !== undefined) return byTemplate(output, template)
  return ({ receivedAt, topic = 'direct', from, data }) => {
    if (output.isTerminal) output.row([receivedAt.slice(11, 23), topic, `…${from.slice(-6)}`, textOf(data)])
    else output.row([receivedAt, topic, from, JSON.stringify(data)])
  }
}

function byTemplate(output: Output, template: string): (message: ShownMessage) => void {
  const parts = template.split(/\{(\w+)\}/)
  const isField = (name: string): name is (typeof fields)[number] => (fields as readonly string[]).includes(name)
  const print = parts.map((part, index) => {
    if (index % 2 === 0) return () => part.replaceAll('\\n', '\n').replaceAll('\\t', '\t')
    if (!isField(part)) throw new Misuse(`A template has {${fields.join('}, {')}}, not {${part}}.`)
    return (message: ShownMessage) => textOf(message[part])
  })
  return (message) => output.line(print.map((each) => each(message)).join(''))
}

/** Text as it is, and a value as JSON. */
const textOf = (value: unknown) => (typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value))
