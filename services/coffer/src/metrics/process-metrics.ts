import {
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
  type OpenMetricsContentType,
  Registry,
} from 'prom-client'
import { AuditMetrics } from './audit-metrics.ts'
import { CallMetrics } from './call-metrics.ts'
import { JobMetrics } from './job-metrics.ts'
import { ReplicationMetrics } from './replication-metrics.ts'
import { RequestMetrics } from './request-metrics.ts'
import { ScrubMetrics } from './scrub-metrics.ts'
import { StateMetrics } from './state-metrics.ts'
import { countSpans, type TracedFigures } from './trace-metrics.ts'

/** The numbers of one process at one moment: plain data, as processes tell them to each other. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[]

/** The library's 10 ms wake an idle process a hundred times a second. */
const EVENT_LOOP_LOOK_MS = 50

/** What one process counts. Made only where somebody may ask for it: without, nothing of this is loaded. */
export class ProcessMetrics {
  readonly registry: Registry
  /** Whether requests are shown by their traces, which only OpenMetrics has a place for. */
  readonly hasExemplars: boolean
  readonly requests: RequestMetrics
  readonly calls: CallMetrics
  readonly jobs: JobMetrics
  readonly replication: ReplicationMetrics
  readonly scrub: ScrubMetrics
  readonly state: StateMetrics
  readonly audit: AuditMetrics

  constructor(tracer?: TracedFigures) {
    this.hasExemplars = tracer !== undefined
    this.registry = this.hasExemplars ? newOpenMetricsRegistry() : new Registry()
    this.requests = new RequestMetrics(this.registry, this.hasExemplars)
    this.calls = new CallMetrics(this.registry)
    this.jobs = new JobMetrics(this.registry)
    this.replication = new ReplicationMetrics(this.registry)
    this.scrub = new ScrubMetrics(this.registry)
    this.state = new StateMetrics(this.registry)
    this.audit = new AuditMetrics(this.registry)
    if (tracer) countSpans(tracer, this.registry)
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_MS })
  }

  async snapshot(): Promise<MetricsSnapshot> {
    return await this.registry.getMetricsAsJSON()
  }
}

/** The library takes exemplars only into one of these. Its type stands for both formats. */
export function newOpenMetricsRegistry(): Registry {
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  return registry as unknown as Registry
}
