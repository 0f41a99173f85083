import { kmsError } from '../../errors.ts'
import { decodeTtlv, encodeTtlv, type TtlvItem } from './ttlv.ts'
import { OPERATION, type OperationName, RESULT_FAILED, RESULT_SUCCESS, TAG } from './vocabulary.ts'

export interface ProtocolVersion {
  readonly major: number
  readonly minor: number
}

/** What the server said of one operation; a reason is one of KMIP's. */
export type KmipOutcome =
  | { readonly kind: 'ok'; readonly payload: readonly TtlvItem[] }
  | { readonly kind: 'failed'; readonly reason: number }

export const structure = (tagCode: number, ...value: readonly TtlvItem[]): TtlvItem => ({
  tagCode,
  type: 'structure',
  value,
})
export const integer = (tagCode: number, value: number): TtlvItem => ({ tagCode, type: 'integer', value })
export const enumeration = (tagCode: number, value: number): TtlvItem => ({ tagCode, type: 'enumeration', value })
export const text = (tagCode: number, value: string): TtlvItem => ({ tagCode, type: 'text', value })
export const bytes = (tagCode: number, value: Uint8Array): TtlvItem => ({ tagCode, type: 'bytes', value })
export const boolean = (tagCode: number, value: boolean): TtlvItem => ({ tagCode, type: 'boolean', value })

export function protocolVersion({ major, minor }: ProtocolVersion): TtlvItem {
  return structure(
    TAG.protocolVersion,
    integer(TAG.protocolVersionMajor, major),
    integer(TAG.protocolVersionMinor, minor),
  )
}

/** A request of one operation (KMIP Specification 1.4, section 7.1). */
export function encodeRequest(
  version: ProtocolVersion,
  operation: OperationName,
  payload: readonly TtlvItem[],
  responseBytesMax: number,
): Buffer {
  const header = structure(
    TAG.requestHeader,
    protocolVersion(version),
    integer(TAG.maximumResponseSize, responseBytesMax),
    integer(TAG.batchCount, 1),
  )
  const batchItem = structure(
    TAG.batchItem,
    enumeration(TAG.operation, OPERATION[operation]),
    structure(TAG.requestPayload, ...payload),
  )
  return encodeTtlv(structure(TAG.requestMessage, header, batchItem))
}

/** KMS_UNAVAILABLE for anything but an answer to this operation: whatever answers does not speak KMIP. */
export function decodeResponse(message: Uint8Array, operation: OperationName): KmipOutcome {
  const batchItems = itemsIn(decode(message), TAG.batchItem)
  const batchItem = batchItems.length === 1 ? childrenOf(batchItems[0]) : undefined
  if (batchItem === undefined) throw kmsError('KMS_UNAVAILABLE')
  const status = numberIn(batchItem, TAG.resultStatus)
  if (status === RESULT_FAILED) return { kind: 'failed', reason: numberIn(batchItem, TAG.resultReason) ?? 0 }
  const isAnswer = status === RESULT_SUCCESS && numberIn(batchItem, TAG.operation) === OPERATION[operation]
  if (!isAnswer) throw kmsError('KMS_UNAVAILABLE')
  return { kind: 'ok', payload: childrenOf(itemIn(batchItem, TAG.responsePayload)) ?? [] }
}

function decode(message: Uint8Array): readonly TtlvItem[] {
  try {
    const item = decodeTtlv(message)
    if (item.tagCode === TAG.responseMessage && item.type === 'structure') return item.value
  } catch {
    // Rubbish: below.
  }
  throw kmsError('KMS_UNAVAILABLE')
}

export function itemsIn(items: readonly TtlvItem[], tagCode: number): readonly TtlvItem[] {
  return items.filter((item) => item.tagCode === tagCode)
}

export function itemIn(items: readonly TtlvItem[], tagCode: number): TtlvItem | undefined {
  return items.find((item) => item.tagCode === tagCode)
}

export function childrenOf(item: TtlvItem | undefined): readonly TtlvItem[] | undefined {
  return item?.type === 'structure' ? item.value : undefined
}

/** Of an integer or an enumeration. */
export function numberIn(items: readonly TtlvItem[], tagCode: number): number | undefined {
  const item = itemIn(items, tagCode)
  return item?.type === 'enumeration' || item?.type === 'integer' ? item.value : undefined
}

export function textIn(items: readonly TtlvItem[], tagCode: number): string | undefined {
  const item = itemIn(items, tagCode)
  return item?.type === 'text' ? item.value : undefined
}

export function bytesIn(items: readonly TtlvItem[], tagCode: number): Uint8Array | undefined {
  const item = itemIn(items, tagCode)
  return item?.type === 'bytes' ? item.value : undefined
}
