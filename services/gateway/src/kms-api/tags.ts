import type { KeyTag } from '@coffer/contracts'
import { z } from 'zod'
import { kmsApiError } from './errors.ts'
import { tag } from './fields.ts'

const TAGS_MAX = 50

export const tags = z.array(tag).max(TAGS_MAX)

/** AWS KMS API Reference, Tag: no name twice, none that begins with aws:. TagException. */
export function assertTags(given: z.infer<typeof tags> = []): void {
  const names = given.map(({ TagKey }) => TagKey)
  if (names.some((name) => name.toLowerCase().startsWith('aws:'))) {
    throw kmsApiError('TagException', { message: 'Tag keys that begin with aws: are reserved.' })
  }
  if (new Set(names).size < names.length) throw kmsApiError('TagException', { message: 'A tag key is there twice.' })
}

export function keyTagsOf(given: z.infer<typeof tags>): KeyTag[] {
  return given.map(({ TagKey, TagValue }) => ({ key: TagKey, value: TagValue }))
}
