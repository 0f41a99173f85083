import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Secret } from '@coffer/crypto-core'
import { afterEach, describe, expect, test } from 'vitest'
import type { LoadEndpoint, LoadOptions } from './load-options.ts'
import { runLoad } from './run-load.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A bucket in memory: enough of S3 to be loaded. */
class MemoryEndpoint {
  readonly objects = new Map<string, number>()
  readonly buckets = new Set<string>()
  readonly seenHeaders: Record<string, unknown>[] = []
  requestCount = 0

  readonly handler: RequestListener = async (request, response) => {
    this.requestCount++
    this.seenHeaders.push(request.headers)
    let sizeBytes = 0
    for await (const piece of request) sizeBytes += piece.length
    const [path = '', query] = (request.url ?? '').split('?')
    const isBucket = path.lastIndexOf('/') === 0
    response.statusCode = 200
    if (isBucket && request.method === 'PUT') this.buckets.add(path)
    else if (isBucket && request.method === 'DELETE') response.statusCode = this.objects.size > 0 ? 409 : 204
    else if (isBucket) response.write(`<ListBucketResult>${query}</ListBucketResult>`)
    else if (request.method === 'PUT') this.objects.set(path, sizeBytes)
    else if (request.method === 'DELETE') response.statusCode = this.objects.delete(path) ? 204 : 404
    else response.write(Buffer.alloc(this.objects.get(path) ?? 0))
    response.end()
  }

  async start(handler = this.handler): Promise<LoadEndpoint> {
    const server = createServer(handler).listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const secretAccessKey = Secret.copyOf(Buffer.from('secret'))
    return { url, accessKeyId: 'AK', secretAccessKey, region: 'us-east-1' }
  }
}

const SHORT: Omit<LoadOptions, 'endpoints'> = {
  operations: ['put', 'get', 'list', 'delete'],
  sizesBytes: [1000],
  connections: 3,
  objectCount: 20,
  durationMs: 100,
  sliceMs: 50,
  sse: 'none',
}

describe('a load', () => {
  test('measures every operation, and leaves nothing behind', async () => {
    const memory = new MemoryEndpoint()
    const report = await runLoad({ ...SHORT, endpoints: [await memory.start()] })
    expect(report.results.map(({ operation }) => operation)).toEqual(['put', 'get', 'list', 'delete'])
    for (const result of report.results) {
      expect(result).toMatchObject({ sizeBytes: 1000, connections: 3, errorCount: 0, errors: {} })
      expect(result.operationCount).toBeGreaterThan(0)
      expect(result.p50Ms).toBeLessThanOrEqual(result.p99Ms)
    }
    expect(memory.objects.size).toBe(0)
    const measured = report.results.reduce((sum, { operationCount }) => sum + operationCount, 0)
    expect(memory.requestCount).toBe(measured + 2)
  })

  test('deletes each object once', async () => {
    const memory = new MemoryEndpoint()
    // It ends when all that was put for it is gone.
    const load = { ...SHORT, operations: ['delete' as const], durationMs: 60_000 }
    const report = await runLoad({ ...load, endpoints: [await memory.start()] })
    expect(report.results[0]).toMatchObject({ operationCount: 20, errorCount: 0 })
  })

  test('reads what it has written itself, if no writing was asked for', async () => {
    const memory = new MemoryEndpoint()
    const report = await runLoad({ ...SHORT, operations: ['get'], endpoints: [await memory.start()] })
    expect(report.results).toMatchObject([{ operation: 'get', errorCount: 0 }])
    expect(memory.objects.size).toBe(0)
  })

  test('counts what an endpoint spends in measured turns: not on what is put before, warms up, or is deleted after', async () => {
    const memory = new MemoryEndpoint()
    const endpoints = [await memory.start()]
    const counterOf = () => memory.requestCount
    const report = await runLoad({ ...SHORT, operations: ['get'], warmUpMs: 50, endpoints, counterOf })
    const [result] = report.results
    expect(result?.operationCount).toBeGreaterThan(0)
    expect(result?.counted).toBe(result?.operationCount)
    // Beside them 20 puts, 20 deletes, the bucket's two, and gets that warm up.
    expect(memory.requestCount).toBeGreaterThan((result?.operationCount ?? 0) + 42)
    expect(memory.objects.size).toBe(0)
  })

  test('tells two endpoints apart by ratios', async () => {
    const [first, second] = [new MemoryEndpoint(), new MemoryEndpoint()]
    const endpoints = [await first.start(), await second.start()]
    const report = await runLoad({ ...SHORT, operations: ['put'], endpoints })
    expect(report.results.map(({ endpoint }) => endpoint)).toEqual(endpoints.map(({ url }) => url))
    const [ratio] = report.ratios
    expect(ratio).toMatchObject({ operation: 'put', endpoint: endpoints[0]?.url, against: endpoints[1]?.url })
    expect(ratio?.lowest).toBeLessThanOrEqual(ratio?.ratio ?? 0)
    expect(ratio?.highest).toBeGreaterThanOrEqual(ratio?.ratio ?? 0)
  })

  test('asks for the encryption it was told to, on writing and with customer keys on reading', async () => {
    const memory = new MemoryEndpoint()
    await runLoad({ ...SHORT, operations: ['put'], sse: 's3', endpoints: [await memory.start()] })
    expect(memory.seenHeaders[1]).toMatchObject({ 'x-amz-server-side-encryption': 'AES256' })
    const other = new MemoryEndpoint()
    await runLoad({ ...SHORT, operations: ['get'], sse: 'c', endpoints: [await other.start()] })
    const reading = other.seenHeaders.filter(
      (headers) => !('content-length' in headers) && 'x-amz-server-side-encryption-customer-key' in headers,
    )
    expect(reading.length).toBeGreaterThan(0)
  })

  test('counts errors by what they were, and goes on', async () => {
    const memory = new MemoryEndpoint()
    const flaky: RequestListener = (request, response) => {
      if (request.method !== 'GET') return void memory.handler(request, response)
      response.statusCode = 503
      response.end('<Error><Code>SlowDown</Code></Error>')
    }
    const report = await runLoad({ ...SHORT, operations: ['get'], endpoints: [await memory.start(flaky)] })
    const [result] = report.results
    expect(result?.operationCount).toBe(0)
    expect(result?.errors).toEqual({ '503 SlowDown': result?.errorCount })
  })

  test('counts an object of another size as an error', async () => {
    const memory = new MemoryEndpoint()
    const truncating: RequestListener = (request, response) => {
      if (request.method !== 'GET') return void memory.handler(request, response)
      response.end('short')
    }
    const report = await runLoad({ ...SHORT, operations: ['get'], endpoints: [await memory.start(truncating)] })
    expect(Object.keys(report.results[0]?.errors ?? {})).toEqual(['wrong size'])
  })

  test('survives a server that closes connections', async () => {
    const memory = new MemoryEndpoint()
    let answered = 0
    const closing: RequestListener = (request, response) => {
      if (++answered % 5 === 0) response.setHeader('connection', 'close')
      memory.handler(request, response)
    }
    const report = await runLoad({ ...SHORT, operations: ['put'], endpoints: [await memory.start(closing)] })
    expect(report.results).toMatchObject([{ errorCount: 0 }])
  })
})

test('an endpoint that refuses the credentials stops the run with its S3 error', async () => {
  const refusing: RequestListener = (_, response) => {
    response.statusCode = 403
    response.end('<Error><Code>InvalidAccessKeyId</Code></Error>')
  }
  const endpoint = await new MemoryEndpoint().start(refusing)
  const refused = runLoad({ ...SHORT, endpoints: [endpoint] })
  await expect(refused).rejects.toMatchObject({ code: 'COFFER_BENCH_REFUSED' })
  await expect(refused).rejects.toThrow('403 InvalidAccessKeyId')
})

test('an endpoint that nobody answers at stops the run', async () => {
  const endpoint = await new MemoryEndpoint().start()
  for (const close of closers.splice(0)) close()
  await expect(runLoad({ ...SHORT, endpoints: [endpoint] })).rejects.toMatchObject({ code: 'COFFER_BENCH_REFUSED' })
})
