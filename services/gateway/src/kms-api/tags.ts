import type { KeyTag } from '@coffer/contracts'
import { z } from 'zod'
import { kmsApiError } from './errors.ts'
import { tag } from './fields.ts'

const TAGS_MAX = 50

export const tags = z.array(tag)

/** AWS KMS API Reference, Tag: at most 50, no name twice, none that begins with aws:. TagException. */
export function assertTags(given: z.infer<typeof tags> = []): void {
  if (given.length > TAGS_MAX) throw kmsApiError('TagException', { message: 'Too many tags' })
  const names = given.map(({ TagKey }) => TagKey)
  if (names.some((name) => name.toLowerCase().startsWith('aws:'))) {
    throw kmsApiError('TagException', { message: 'Tag keys that begin with aws: are reserved.' })
  }
  if (new Set(names).size < names.length) throw kmsApiError('TagException', { message: 'A tag key is there twice.' })
}

/** In the order of their keys, as they are kept. */
export function keyTagsOf(given: z.infer<typeof tags>): KeyTag[] {
  const made = given.map(({ TagKey, TagValue }) => ({ key: TagKey, value: TagValue }))
  return made.sort(({ key: a }, { key: b }) => (a < b ? -1 : 1))
}
