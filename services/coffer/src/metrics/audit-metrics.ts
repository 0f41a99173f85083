import type { AuditFigures } from '@coffer/audit'
import { Counter, Gauge, type Registry } from 'prom-client'

const NOTHING: AuditFigures = { recordCount: 0, droppedCount: 0, waitingCount: 0, stalledTargetCount: 0 }

/** The audit trail of this process. */
export class AuditMetrics {
  #figures: () => AuditFigures = () => NOTHING

  constructor(registry: Registry) {
    const counters = [
      ['coffer_audit_records_total', 'Records of the audit trail.', 'recordCount'],
      ['coffer_audit_dropped_total', 'Records that a stalled audit trail has left out: a gap.', 'droppedCount'],
    ] as const
    const gauges = [
      ['coffer_audit_waiting_records', 'Audit records that wait for their target.', 'waitingCount'],
      ['coffer_audit_stalled_targets', 'Audit targets that take no records now.', 'stalledTargetCount'],
    ] as const
    const registers = [registry]
    const figureOf = (figure: keyof AuditFigures) => this.#figures()[figure]
    for (const [name, help, figure] of counters) {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(figureOf(figure))
        },
      })
    }
    for (const [name, help, figure] of gauges) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(figureOf(figure))
        },
      })
    }
  }

  follow(trail: { readonly figures: AuditFigures }): void {
    this.#figures = () => trail.figures
  }
}
