import { invalidArgument } from './errors.ts'

export type ObjectAttributeName = 'ETag' | 'Checksum' | 'ObjectParts' | 'StorageClass' | 'ObjectSize'
const NAMES: readonly string[] = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize']
const PAGE_PARTS_MAX = 1000

export interface ObjectAttributesRequest {
  readonly attributes: ReadonlySet<ObjectAttributeName>
  /** 1 to 1,000. */
  readonly maxParts: number
  readonly partNumberMarker: number
}

/** The headers of GetObjectAttributes. InvalidArgument. */
export function parseObjectAttributesRequest(
  headers: Readonly<Record<string, string | undefined>>,
): ObjectAttributesRequest {
  const text = headers['x-amz-object-attributes'] ?? ''
  const attributes = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (attributes.length === 0 || !attributes.every((name) => NAMES.includes(name))) {
    throw invalidArgument('x-amz-object-attributes', text, 'Invalid attribute name specified.')
  }
  return {
    attributes: new Set(attributes as ObjectAttributeName[]),
    maxParts: Math.min(PAGE_PARTS_MAX, numberOf(headers, 'x-amz-max-parts') ?? PAGE_PARTS_MAX),
    partNumberMarker: numberOf(headers, 'x-amz-part-number-marker') ?? 0,
  }
}

function numberOf(headers: Readonly<Record<string, string | undefined>>, name: string): number | undefined {
  const text = headers[name]
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text))
    throw invalidArgument(name, text, `Provided ${name} not an integer or within integer range`)
  return Number(text)
}
