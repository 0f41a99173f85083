import type { z } from 'zod'
import type { Tag } from '../entities.ts'
import { refusal } from '../errors.ts'
import type { tags } from './fields.ts'
import { assertWithin } from './quotas.ts'

/** Tags of a new entity. */
export function tagsFrom(given: z.infer<typeof tags> = []): Tag[] {
  return withTags([], given)
}

/** Names are told apart regardless of case, and keep the case they came with (IAM User Guide, "Tagging IAM resources"). */
export function withTags(kept: readonly Tag[], given: z.infer<typeof tags>): Tag[] {
  const names = given.map(({ Key }) => Key.toLowerCase())
  if (new Set(names).size < names.length) {
    throw refusal('IAM_INVALID_INPUT', 'Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  }
  if (names.some((name) => name.startsWith('aws:'))) {
    throw refusal('IAM_INVALID_INPUT', 'Tag keys that begin with aws: are reserved.')
  }
  const others = kept.filter(({ key }) => !names.includes(key.toLowerCase()))
  const merged = [...others, ...given.map(({ Key, Value }) => ({ key: Key, value: Value }))]
  assertWithin('TagsPerEntity', merged.length)
  return merged
}

export function withoutTags(kept: readonly Tag[], keys: readonly string[]): Tag[] {
  const dropped = keys.map((key) => key.toLowerCase())
  return kept.filter(({ key }) => !dropped.includes(key.toLowerCase()))
}
