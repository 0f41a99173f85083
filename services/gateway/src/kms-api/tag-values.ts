const REQUEST_TAG = 'aws:requesttag/'
const TAG_KEYS = 'aws:tagkeys'

type Values = Readonly<Record<string, readonly string[]>>

/**
 * What conditions are told of the tags that a request gives a key or takes from it (AWS KMS Developer Guide, "Condition keys for AWS KMS": of
 * CreateKey, TagResource and UntagResource). A body that is not understood is refused after the decision, in its own words.
 */
export function tagValues(said: (name: string) => unknown): Values {
  const given = listOf(said('Tags')).flatMap(tagIn)
  const taken = listOf(said('TagKeys')).filter((key) => typeof key === 'string')
  const keys = [...given.map(({ key }) => key), ...taken]
  return {
    // Of two that differ in case alone, the first, as of tags elsewhere.
    ...Object.fromEntries(given.toReversed().map(({ key, value }) => [REQUEST_TAG + key.toLowerCase(), [value]])),
    ...(keys.length > 0 && { [TAG_KEYS]: keys }),
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function tagIn(tag: unknown): { readonly key: string; readonly value: string }[] {
  if (typeof tag !== 'object' || tag === null) return []
  const { TagKey: key, TagValue: value } = tag as { readonly TagKey?: unknown; readonly TagValue?: unknown }
  return typeof key === 'string' && typeof value === 'string' ? [{ key, value }] : []
}
