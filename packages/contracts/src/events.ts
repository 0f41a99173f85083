export interface EventTargetStatus {
  readonly target: string
  /** Events that wait, counted up to 100,000. */
  readonly waitingCount: number
  /** How long the first of them has waited; 0 where none does. */
  readonly lagMs: number
  readonly deadLetterCount: number
  /** Delivered events that are kept for a replay. */
  readonly keptCount: number
  /** Dead letters that were dropped because there were too many, ever; and when the last were. */
  readonly droppedCount: number
  readonly lastDroppedAt?: number
  /** What the relay told last; absent: no relay has had this target. */
  readonly relay?: EventTargetReport
}

/** What a relay tells of a target, every few seconds. */
export interface EventTargetReport {
  readonly state: 'delivering' | 'waiting'
  /** Since the relay began. */
  readonly deliveredCount: number
  readonly lastDeliveredAt?: number
  /** The failure that it waits after. */
  readonly failure?: { readonly at: number; readonly attempts: number; readonly reason: string }
  readonly at: number
}

export type EventPlace = 'waiting' | 'dead-letters' | 'kept'

/** An event as it lies in a queue. */
export interface EventDescription {
  readonly id: string
  readonly target: string
  readonly createdAt: number
  /** Why it is a dead letter. */
  readonly note: string
  readonly bucket: string
  /** `s3:TestEvent`, or '?' where the event cannot be opened. */
  readonly eventName: string
  readonly key: string
}

/** Event hooks: what waits to be delivered, what was, and what could not be. */
export interface EventsService {
  /** By target. */
  status(): Promise<readonly EventTargetStatus[]>
  /** In the order of delivery, strictly after `afterId`. */
  list(query: {
    target: string
    place: EventPlace
    afterId: string
    limit: number
  }): Promise<readonly EventDescription[]>
  /** Delivers again what was delivered and is kept, from this time on; returns how many. Message ids stay the same. */
  replay(request: { target: string; sinceAt: number }): Promise<number>
  /** Dead letters go back into the queue: all of them, or the one with this id. Returns how many. */
  redrive(request: { target: string; id?: string }): Promise<number>
}
