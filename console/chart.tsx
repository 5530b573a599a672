import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { Keys } from './parts.tsx'

export interface Series {
  name: string
  /** The variable of style.css with the colour. */
  colour: string
}

/** Lines over time. The label says the same as the lines, for who does not see them. */
export function Chart(props: { label: string; series: Series[]; times: number[]; values: number[][] }) {
  const { label, series, times, values } = props
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const names = series.map(({ name }) => name).join()

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const dark = matchMedia('(prefers-color-scheme: dark)')
    const make = () => {
      plot.current?.destroy()
      const style = getComputedStyle(element)
      const ink = style.getPropertyValue('--faint')
      const grid = { stroke: style.getPropertyValue('--line'), width: 1 }
      plot.current = new uPlot(
        {
          width: element.clientWidth,
          height: 180,
          legend: { show: false },
          cursor: { show: false },
          scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
          axes: [
            { stroke: ink, grid: { show: false }, ticks: { show: false }, values: '{HH}:{mm}:{ss}' },
            { stroke: ink, grid, ticks: { show: false }, size: 48 },
          ],
          series: [
            {},
            ...series.map(({ name, colour }) => ({
              label: name,
              stroke: style.getPropertyValue(colour),
              width: 2,
              points: { show: false },
            })),
          ],
        },
        [times, ...values],
        element,
      )
    }
    make()
    dark.addEventListener('change', make)
    const sizes = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: 180 }))
    sizes.observe(element)
    return () => {
      dark.removeEventListener('change', make)
      sizes.disconnect()
      plot.current?.destroy()
      plot.current = undefined
    }
  }, [names])

  useEffect(() => plot.current?.setData([times, ...values]), [times, values])

  return (
    <figure class="chart">
      <div ref={place} role="img" aria-label={label} />
      <Keys keys={series.map(({ name, colour }) => ({ name, colour: colour.slice(2) }))} />
    </figure>
  )
}
