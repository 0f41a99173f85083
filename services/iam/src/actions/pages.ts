import { refusal } from '../errors.ts'

const ITEMS_BY_DEFAULT = 100

export interface Paging {
  readonly Marker?: string | undefined
  readonly MaxItems?: number | undefined
}

/** A page in the order of `keyOf`, and what the next one begins after. ValidationError for a marker that no page gave. */
export function pageOf<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  { Marker: marker, MaxItems: limit = ITEMS_BY_DEFAULT }: Paging,
): { readonly items: readonly Item[]; readonly more: { readonly IsTruncated: boolean; readonly Marker?: string } } {
  const after = marker === undefined ? undefined : Buffer.from(marker, 'base64url').toString()
  if (after !== undefined && Buffer.from(after).toString('base64url') !== marker) {
    throw refusal('IAM_VALIDATION_ERROR', 'Invalid Marker.')
  }
  const sorted = items
    .map((item) => [keyOf(item), item] as const)
    .filter(([key]) => after === undefined || key > after)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const page = sorted.slice(0, limit)
  const last = page.at(-1)?.[0]
  const isTruncated = sorted.length > limit && last !== undefined
  return {
    items: page.map(([, item]) => item),
    more: { IsTruncated: isTruncated, ...(isTruncated && { Marker: Buffer.from(last).toString('base64url') }) },
  }
}

/** Names are unique regardless of case, and so they are sorted. */
export function nameOf({ name }: { readonly name: string }): string {
  return name.toLowerCase()
}
