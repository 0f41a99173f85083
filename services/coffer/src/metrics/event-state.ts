import type { EventsService } from '@coffer/contracts'
import { Counter, Gauge, type Registry } from 'prom-client'
import type { StatePart } from './state-metrics.ts'

const AGE_MS_MAX = 10_000

/** The queues of event notifications, by target: targets are the operator's, as the events file names them. */
export function eventState(events: Pick<EventsService, 'status'>, registry: Registry): StatePart {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ['target'], aggregator: 'max', registers: [registry] })
  const waiting = gauge('coffer_events_waiting', 'Events that wait for a target, counted up to 100,000.')
  const oldest = gauge('coffer_events_oldest_seconds', 'How long the first event that waits for a target has waited.')
  const deadLetters = gauge('coffer_events_dead_letters', 'Events that a target has refused for good.')
  const delivered = new Counter({
    name: 'coffer_events_delivered_total',
    help: 'Events that a target has taken, since its relay began.',
    labelNames: ['target'],
    registers: [registry],
  })
  const dropped = new Counter({
    name: 'coffer_events_dropped_total',
    help: 'Dead letters that were dropped because there were too many.',
    labelNames: ['target'],
    registers: [registry],
  })
  const forget = () => {
    for (const metric of [waiting, oldest, deadLetters, delivered, dropped]) metric.reset()
  }
  return {
    ageMsMax: AGE_MS_MAX,
    forget,
    async read() {
      const targets = await events.status()
      forget()
      for (const { target, waitingCount, lagMs, deadLetterCount, droppedCount, relay } of targets) {
        waiting.set({ target }, waitingCount)
        oldest.set({ target }, lagMs / 1000)
        deadLetters.set({ target }, deadLetterCount)
        dropped.inc({ target }, droppedCount)
        delivered.inc({ target }, relay?.deliveredCount ?? 0)
      }
    },
  }
}
