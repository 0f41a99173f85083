import { CofferError } from '@coffer/errors'
import { AlwaysOnSampler, InMemorySpanExporter, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import { describe, expect, it } from 'vitest'
import { OpenTelemetryTracer } from './open-telemetry-tracer.ts'
import { SpanQueue, WAITING_SPANS_MAX } from './span-queue.ts'
import type { TraceSettings } from './trace-settings.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const SAMPLED = `00-${TRACE}-${SPAN}-01`
const UNSAMPLED = `00-${TRACE}-${SPAN}-00`
const REQUEST = { name: 'request', kind: 'server' } as const
const PART = { name: 'part', kind: 'internal' } as const
const TRIES = 2_000

function tracerWith(settings: Pick<TraceSettings, 'sampleRatio' | 'clientContext'>, given?: SpanExporter) {
  const memory = new InMemorySpanExporter()
  const queue = new SpanQueue(given ?? memory, () => undefined)
  const provider = new TracerProvider({ sampler: new AlwaysOnSampler(), spanProcessors: [queue] })
  const tracer = new OpenTelemetryTracer(settings, provider, queue, () => undefined)
  const spans = async () => {
    await queue.forceFlush()
    return memory.getFinishedSpans()
  }
  return { tracer, queue, spans }
}

const countOf = (tracer: OpenTelemetryTracer, received?: string): number =>
  Array.from({ length: TRIES }, () => tracer.beginRequest(REQUEST, received)).filter(Boolean).length

describe('whether a trace is kept', () => {
  it('is decided by the ratio, for about as many as it says', () => {
    const of = (sampleRatio: number) => countOf(tracerWith({ sampleRatio, clientContext: 'link' }).tracer)
    expect(of(0)).toBe(0)
    expect(of(1)).toBe(TRIES)
    // Six standard deviations on each side.
    expect(Math.abs(of(0.5) - TRIES / 2)).toBeLessThan(6 * Math.sqrt(TRIES / 4))
  })

  it('is not for a client to say that is not trusted: it can neither force a trace nor suppress one', async () => {
    expect(countOf(tracerWith({ sampleRatio: 0, clientContext: 'link' }).tracer, SAMPLED)).toBe(0)
    const { tracer, spans } = tracerWith({ sampleRatio: 1, clientContext: 'link' })
    for (const received of [SAMPLED, UNSAMPLED]) tracer.beginRequest(REQUEST, received)?.end()
    for (const span of await spans()) {
      expect(span.parentSpanContext).toBeUndefined()
      expect(span.spanContext().traceId).not.toBe(TRACE)
      expect(span.links.map(({ context }) => context.spanId)).toEqual([SPAN])
    }
  })

  it('is for a trusted client to say, and for the ratio where it says nothing', async () => {
    const { tracer, spans } = tracerWith({ sampleRatio: 0, clientContext: 'continue' })
    expect(tracer.beginRequest(REQUEST, undefined)).toBeUndefined()
    tracer.beginRequest(REQUEST, SAMPLED)?.end()
    expect((await spans()).map((span) => [span.spanContext().traceId, span.parentSpanContext?.spanId])).toEqual([
      [TRACE, SPAN],
    ])
    const all = tracerWith({ sampleRatio: 1, clientContext: 'continue' }).tracer
    expect(countOf(all, UNSAMPLED)).toBe(0)
    expect(countOf(all, 'nonsense')).toBe(TRIES)
  })
})

describe('a trace that begins by itself', () => {
  it('is kept with what has caused it, whatever the ratio', async () => {
    const { tracer, spans } = tracerWith({ sampleRatio: 0, clientContext: 'link' })
    const cause = { traceId: TRACE, spanId: SPAN }
    for (const isSampled of [true, false]) {
      await tracer.root({ ...PART, links: [{ ...cause, isSampled }] }, async () => {
        expect(tracer.current() !== undefined).toBe(isSampled)
      })
    }
    const [kept, ...others] = await spans()
    expect(kept?.links.map(({ context }) => context.traceId)).toEqual([TRACE])
    expect(kept?.spanContext().traceId).not.toBe(TRACE)
    expect(others).toEqual([])
  })
})

describe('spans', () => {
  it('are parts of the one that their code runs in, however long that waits, and of none where nothing is kept', async () => {
    const { tracer, spans } = tracerWith({ sampleRatio: 1, clientContext: 'link' })
    const [one, two] = [tracer.beginRequest(REQUEST, undefined), tracer.beginRequest(REQUEST, undefined)]
    const work = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      await tracer.child(PART, async () => undefined)
    }
    await Promise.all([
      tracer.within(one, work),
      tracer.within(two, work),
      tracer.within(one, () => tracer.within(undefined, work)),
    ])
    const parents = (await spans()).map((span) => span.parentSpanContext?.spanId)
    expect(parents.sort()).toEqual([one?.spanId, two?.spanId].sort())
    expect(tracer.current()).toBeUndefined()
  })

  it('that fail say with what code, never why', async () => {
    const { tracer, spans } = tracerWith({ sampleRatio: 1, clientContext: 'link' })
    const errors = [new CofferError({ code: 'META_UNAVAILABLE', message: 'a secret text' }), new Error('a secret text')]
    for (const error of errors) await tracer.root(PART, () => Promise.reject(error)).catch(() => undefined)
    const ended = await spans()
    expect(ended.map(({ attributes, status }) => [attributes['error.type'], status.message])).toEqual([
      ['META_UNAVAILABLE', undefined],
      ['unexpected', undefined],
    ])
    expect(ended.flatMap(({ events }) => events)).toEqual([])
  })
})

describe('the queue', () => {
  it('keeps so many spans for a collector that takes none, and counts the others', async () => {
    const stuck: SpanExporter = { export: () => undefined, shutdown: async () => undefined }
    const { tracer, queue } = tracerWith({ sampleRatio: 1, clientContext: 'link' }, stuck)
    const more = 1_000
    for (let count = 0; count < WAITING_SPANS_MAX + more; count++) tracer.beginRequest(REQUEST, undefined)?.end()
    expect(queue.figures).toEqual({ exportedCount: 0, lostCount: more })
  })

  it('tells once that the collector is away, with a code alone, and once that it is back', async () => {
    const told: object[] = []
    let code = 1
    const error = Object.assign(new Error('a secret text'), { code: 401 })
    const exporter: SpanExporter = {
      export: (_, settled) => settled(code === 0 ? { code } : { code, error }),
      shutdown: async () => undefined,
    }
    const queue = new SpanQueue(exporter, (change) => told.push(change))
    const otel = new TracerProvider({ sampler: new AlwaysOnSampler(), spanProcessors: [queue] }).getTracer('test')
    for (const next of [1, 1, 0, 0, 1]) {
      code = next
      otel.startSpan('s').end()
      await queue.forceFlush().catch(() => undefined)
    }
    expect(told).toEqual([{ isAway: true, reason: '401' }, { isAway: false }, { isAway: true, reason: '401' }])
    expect(queue.figures).toEqual({ exportedCount: 2, lostCount: 3 })
  })
})
