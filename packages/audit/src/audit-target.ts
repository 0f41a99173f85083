import type { z } from 'zod'

/**
 * Where records go. Contract: `contract.ts`.
 *
 * A target is given lines in their order and holds on to none that it did not take: `write` resolves when the batch is with the
 * target (written to the file, acknowledged by the other side), and rejects where it is not. It is then called again with the
 * same batch; a target over a network may so see lines twice, and tells by their numbers.
 */
export interface AuditTarget {
  /** One batch at a time; `lines` are JSON without their ends. */
  write(lines: readonly string[]): Promise<void>
  /** After the last batch. What was written is on stable storage when it resolves, where the target has such. */
  close(): Promise<void>
}

/** What a target is told of who writes. */
export interface AuditTargetContext {
  /** The chain that it is given. */
  readonly chain: string
  /** Where files go that are not told otherwise. */
  readonly directory: string
}

/** A kind of target: one file of `targets/`, or a package of a third party that exports one as its default. */
export interface AuditTargetPlugin<Options = unknown> {
  readonly name: string
  readonly options: z.ZodType<Options>
  open(options: Options, context: AuditTargetContext): Promise<AuditTarget>
}

export function defineAuditTarget<Options>(plugin: AuditTargetPlugin<Options>): AuditTargetPlugin<Options> {
  return plugin
}
