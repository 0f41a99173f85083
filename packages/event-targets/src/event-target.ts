import type { z } from 'zod'

/** What is delivered. */
export interface EventMessage {
  /** The same whenever the message is delivered again: receivers drop what they have had. */
  readonly id: string
  /** When it happened, milliseconds since 1970. */
  readonly createdAt: number
  /** Such as `s3:ObjectCreated:Put`. */
  readonly eventName: string
  readonly bucket: string
  /** Of the object; '' of a test message. */
  readonly key: string
  /** As JSON: `{"Records": [...]}`, the message of Amazon S3. */
  readonly body: string
}

/** Somewhere that events go. A plugin is one file, whose client library is loaded when a configuration names it. */
export interface EventTarget {
  /**
   * Resolves when the other side has acknowledged the message; else rejects with an Error that has a `code`, and may have a word
   * for the operator in `details.reason`. EVENT_TARGET_UNAVAILABLE, or any other: to be tried again, also with other
   * messages; EVENT_TARGET_REFUSED: this message is not taken. Called for several messages at once; messages of one object
   * key come one after the other. Settles within the target's time limit: what a third party's target has not settled by then counts
   * as EVENT_TARGET_UNAVAILABLE, whatever it settles with later.
   */
  send(message: EventMessage): Promise<void>
  close(): Promise<void>
}

export interface EventTargetPlugin<Options = unknown> {
  readonly options: z.ZodType<Options>
  /** Does not wait for the other side: a target that is away at the start is one that is away later. */
  open(options: Options, context: { readonly name: string }): Promise<EventTarget>
}
