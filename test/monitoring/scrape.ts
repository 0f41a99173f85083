import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../events/event-reading.ts'

const START_TIMEOUT_MS = 60_000
const RETRY_MS = 50

/** What a scrape says, by metric: the help line's names, and the value of each series. */
export interface Scrape {
  readonly text: string
  /** Every metric that is there, with or without a value. */
  readonly names: ReadonlySet<string>
  /** The sum of the series of a metric whose labels include these. */
  value(name: string, labels?: Readonly<Record<string, string>>): number
}

/** The first scrape of a server that has just begun to answer requests: the address for probes comes a moment later. */
export async function firstScrape(address: string): Promise<Scrape> {
  const deadline = Date.now() + START_TIMEOUT_MS
  for (;;) {
    try {
      return await scrape(address)
    } catch (error) {
      if (Date.now() > deadline) throw error
      await sleep(RETRY_MS)
    }
  }
}

/** A process that is too busy to answer a scrape is in it with what it told last, or not at all: scrapes until what has happened is in one. */
export async function scrapeUntil(address: string, isIn: (scrape: Scrape) => boolean): Promise<Scrape> {
  return await eventually(() => scrape(address), isIn)
}

/** Source: Prometheus, "Exposition formats", text-based format. */
export async function scrape(address: string): Promise<Scrape> {
  const response = await fetch(`http://${address}/metrics`)
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`)
  const series = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', labels = '', value = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
      if (name === '') throw new Error(`not a line of the format: ${line}`)
      return { name, labels, value: Number(value) }
    })
  return {
    text,
    names: new Set([...text.matchAll(/^# HELP (\S+)/gm)].map(([, name = '']) => name)),
    value(name, labels = {}) {
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
      return series
        .filter((one) => one.name === name && wanted.every((label) => one.labels.split(',').includes(label)))
        .reduce((sum, one) => sum + one.value, 0)
    },
  }
}
