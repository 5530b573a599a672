/** Numbers, times and ids as people read them. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })

export function number(value: number): string {
  return value < 100 && !Number.isInteger(value) ? short.format(value) : whole.format(value)
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = value < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(value) / 10))
  return `${short.format(value / 1024 ** power)} ${units[power]}`
}

export function duration(ms: number): string {
  const steps: Array<[number, string]> = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ]
  const [size, unit] = steps.find(([each]) => ms >= each) ?? [1, 'ms']
  return `${short.format(Math.floor((ms / size) * 10) / 10)} ${unit}`
}

export function time(iso: string | null): string {
  if (iso === null) return '–'
  const at = new Date(iso)
  const today = at.toDateString() === new Date().toDateString()
  return today ? at.toLocaleTimeString() : at.toLocaleString()
}

/** The end of a peer id tells peers apart: the beginnings are alike. */
export function shortId(id: string): string {
  return id.length > 14 ? `${id.slice(0, 4)}…${id.slice(-8)}` : id
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`
}

/** Topics and patterns of a text that lists them. */
export function patternsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((topic) => topic !== '')
}

/** What a consumer or a webhook reads. */
export function selected({ topics, direct }: { topics: string[]; direct: boolean }): string {
  return [...topics, ...(direct ? ['direct messages'] : [])].join(', ')
}
