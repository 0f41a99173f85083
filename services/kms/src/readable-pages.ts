import { type CofferError, isCofferError } from '@coffer/errors'
import type { RemovableRecords } from '@coffer/kms'

const PAGE = 500

interface Pages<Item> {
  page(afterId: string, limit: number): Promise<readonly Item[]>
  idOf(item: Item): string
  /** Of what does not open. */
  damagedIdOf(error: CofferError): string | undefined
}

/** All of them, page by page. What is damaged is passed over: a record of one account does not stop what is done for all. */
export async function* readable<Item>({ page, idOf, damagedIdOf }: Pages<Item>): AsyncGenerator<Item> {
  for (let afterId = '', limit = PAGE; ; ) {
    try {
      const items = await page(afterId, limit)
      yield* items
      const last = items.at(-1)
      if (last === undefined || items.length < limit) return
      afterId = idOf(last)
      limit = PAGE
    } catch (error) {
      if (!isCofferError(error, 'KMS_RECORD_DAMAGED')) throw error
      const damagedId = damagedIdOf(error)
      // One by one up to the damaged one, and on from there.
      if (limit > 1) limit = 1
      else if (damagedId !== undefined && damagedId > afterId) [afterId, limit] = [damagedId, PAGE]
      else throw error
    }
  }
}

export function readableRecords(
  records: RemovableRecords,
  prefix: string,
): AsyncGenerator<{ readonly id: string; readonly value: Uint8Array }> {
  return readable({
    page: (afterId, limit) => records.list({ prefix, afterId, limit }),
    idOf: ({ id }) => id,
    damagedIdOf: ({ details }) => textOf(details.id),
  })
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Undefined for what is damaged. */
export async function unlessDamaged<Result>(act: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await act()
  } catch (error) {
    if (isCofferError(error, 'KMS_RECORD_DAMAGED')) return undefined
    throw error
  }
}
