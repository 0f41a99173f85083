import { collectDefaultMetrics, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client'
import { AuditMetrics } from './audit-metrics.ts'
import { CallMetrics } from './call-metrics.ts'
import { JobMetrics } from './job-metrics.ts'
import { RequestMetrics } from './request-metrics.ts'
import { ScrubMetrics } from './scrub-metrics.ts'
import { StateMetrics } from './state-metrics.ts'

/** The numbers of one process at one moment: plain data, as processes tell them to each other. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[]

/** What one process counts. Made only where somebody may ask for it: without, nothing of this is loaded. */
export class ProcessMetrics {
  readonly registry = new Registry()
  readonly requests = new RequestMetrics(this.registry)
  readonly calls = new CallMetrics(this.registry)
  readonly jobs = new JobMetrics(this.registry)
  readonly scrub = new ScrubMetrics(this.registry)
  readonly state = new StateMetrics(this.registry)
  readonly audit = new AuditMetrics(this.registry)

  constructor() {
    collectDefaultMetrics({ register: this.registry })
  }

  async snapshot(): Promise<MetricsSnapshot> {
    return await this.registry.getMetricsAsJSON()
  }
}
