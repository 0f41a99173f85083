import type { ObservedRequest } from '@coffer/service-gateway'
import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { newOpenMetricsRegistry } from './process-metrics.ts'
import { RequestMetrics } from './request-metrics.ts'

const get: ObservedRequest = {
  api: 's3',
  operation: 'GetObject',
  status: 200,
  errorCode: undefined,
  traceId: undefined,
  seconds: 0.002,
  bytesIn: 0,
  bytesOut: 10,
}

async function valuesOf(registry: Registry, name: string): Promise<Record<string, number>> {
  const metric = (await registry.getMetricsAsJSON()).find((one) => one.name === name)
  const values: readonly { metricName?: string; labels: object; value: number }[] = metric?.values ?? []
  return Object.fromEntries(
    values.map(({ metricName, labels, value }) => [[metricName, ...Object.values(labels)].join(' ').trim(), value]),
  )
}

for (const hasExemplars of [false, true]) {
  test(`whoever looks sees every request, however few or many there were${hasExemplars ? ', with traces too' : ''}`, async () => {
    const registry = hasExemplars ? newOpenMetricsRegistry() : new Registry()
    const metrics = new RequestMetrics(registry, hasExemplars)
    let seen = 0
    for (const more of [1, 255, 256, 1000]) {
      for (let index = 0; index < more; index++) {
        metrics.began()
        metrics.ended({ ...get, ...(index % 3 === 0 && { traceId: 'ab'.repeat(16) }) })
      }
      seen += more
      expect(await valuesOf(registry, 'coffer_requests_total')).toEqual({ 's3 GetObject 2xx': seen })
      const seconds = await valuesOf(registry, 'coffer_request_seconds')
      expect(seconds['coffer_request_seconds_count s3 GetObject']).toBe(seen)
      expect(seconds['coffer_request_seconds_bucket 0.001 s3 GetObject']).toBe(0)
      expect(seconds['coffer_request_seconds_bucket 0.0025 s3 GetObject']).toBe(seen)
      expect(seconds['coffer_request_seconds_sum s3 GetObject']).toBeCloseTo(seen * 0.002)
    }
    metrics.began()
    metrics.ended({ ...get, operation: 'PutObject', status: 403, errorCode: 'SignatureDoesNotMatch' })
    expect(await valuesOf(registry, 'coffer_requests_total')).toEqual({
      's3 GetObject 2xx': seen,
      's3 PutObject 4xx': 1,
    })
  })
}
