import Table from 'cli-table3'
import type { LoadReport } from './load-options.ts'

/** The report as tables for people. */
export function renderLoadReport(report: LoadReport): string {
  const results = plainTable([
    'endpoint',
    'op',
    'size',
    'conns',
    'ops/s',
    'MiB/s',
    'names/s',
    'p50 ms',
    'p90 ms',
    'p99 ms',
    'errors',
  ])
  for (const result of report.results) {
    results.push([
      result.endpoint,
      result.operation,
      sizeText(result.sizeBytes),
      result.connections,
      numberText(result.operationsPerSecond),
      result.mebibytesPerSecond ? numberText(result.mebibytesPerSecond) : '',
      result.namesPerSecond ? numberText(result.namesPerSecond) : '',
      result.p50Ms.toFixed(2),
      result.p90Ms.toFixed(2),
      result.p99Ms.toFixed(2),
      Object.entries(result.errors)
        .map(([name, count]) => `${count} x ${name}`)
        .join(', '),
    ])
  }
  return report.ratios.length === 0 ? `${results.toString()}\n` : `${results.toString()}\n${renderRatios(report)}`
}

function renderRatios(report: LoadReport): string {
  const table = plainTable(['op', 'size', 'ratio', 'range over slices', 'of ops/s at'])
  for (const { operation, sizeBytes, ratio, lowest, highest, endpoint, against } of report.ratios) {
    const range = `${lowest.toFixed(2)} to ${highest.toFixed(2)}`
    table.push([operation, sizeText(sizeBytes), ratio.toFixed(2), range, `${endpoint} over ${against}`])
  }
  return `${table.toString()}\n`
}

function plainTable(head: string[]): InstanceType<typeof Table> {
  return new Table({ head, style: { head: [], border: [], compact: true } })
}

function sizeText(sizeBytes: number): string {
  if (sizeBytes >= 1_048_576 && sizeBytes % 1_048_576 === 0) return `${sizeBytes / 1_048_576} MiB`
  return sizeBytes >= 1024 && sizeBytes % 1024 === 0 ? `${sizeBytes / 1024} KiB` : `${sizeBytes} B`
}

function numberText(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1)
}
