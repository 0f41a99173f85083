import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { ProcessMetrics } from './process-metrics.ts'
import { registryOf } from './registry-of.ts'

const REQUEST = {
  api: 's3',
  operation: 'GetObject',
  status: 200,
  errorCode: undefined,
  bytesIn: 0,
  bytesOut: 0,
} as const
const traced = { figures: { exportedCount: 3, lostCount: 1 } }
const bucketLine = (text: string, le: string) =>
  text.split('\n').find((line) => line.startsWith('coffer_request_seconds_bucket{') && line.includes(`le="${le}"`))

async function snapshotOf(...seconds: readonly (readonly [seconds: number, traceId: string | undefined])[]) {
  const metrics = new ProcessMetrics(traced)
  for (const [taken, traceId] of seconds) {
    metrics.requests.began()
    metrics.requests.ended({ ...REQUEST, seconds: taken, traceId })
  }
  return await metrics.snapshot()
}

describe('exemplars', () => {
  it('of several processes are the newest of each series, with sums that are as before', async () => {
    const one = await snapshotOf([0.003, 'a'.repeat(32)], [0.2, 'b'.repeat(32)])
    await new Promise((resolve) => setTimeout(resolve, 2))
    const two = await snapshotOf([0.004, 'c'.repeat(32)], [0.03, undefined])
    for (const snapshots of [
      [one, two],
      [two, one],
    ]) {
      const text = await registryOf(snapshots, Registry.OPENMETRICS_CONTENT_TYPE).metrics()
      expect(bucketLine(text, '0.005')).toMatch(/ 2 # \{trace_id="c{32}"\} 0\.004 \d+(\.\d+)?$/)
      expect(bucketLine(text, '0.25')).toMatch(/ 4 # \{trace_id="b{32}"\} 0\.2 /)
      expect(bucketLine(text, '0.05')).toMatch(/ 3$/)
      expect(text).toContain('coffer_trace_spans_total{outcome="exported"} 6')
      expect(text.endsWith('# EOF\n')).toBe(true)
    }
  })

  it('are left out of the text format, which has no place for them, whatever was shown before', async () => {
    const snapshot = await snapshotOf([0.003, 'a'.repeat(32)])
    for (const contentType of [Registry.OPENMETRICS_CONTENT_TYPE, Registry.PROMETHEUS_CONTENT_TYPE]) {
      await registryOf([snapshot], contentType).metrics()
    }
    const text = await registryOf([snapshot], Registry.PROMETHEUS_CONTENT_TYPE).metrics()
    expect(text).not.toContain('trace_id')
    expect(text).toMatch(/^# TYPE coffer_requests_total counter$/m)
    expect(text).toMatch(/^coffer_requests_total\{.*\} 1$/m)
    expect(text).toContain('process_start_time_seconds')
  })

  it('are not there without traces', async () => {
    const metrics = new ProcessMetrics()
    metrics.requests.began()
    metrics.requests.ended({ ...REQUEST, seconds: 0.003, traceId: undefined })
    const text = await registryOf([await metrics.snapshot()], Registry.PROMETHEUS_CONTENT_TYPE).metrics()
    expect(text).toMatch(/^coffer_request_seconds_count\{.*\} 1$/m)
    expect(text).not.toContain('coffer_trace_spans_total')
  })
})
