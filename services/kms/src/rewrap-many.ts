import { isCofferError } from '@coffer/errors'
import type { KmsConnector, RewrapItem, RewrapOutcome, WrappedKey } from '@coffer/kms'

/** Calls of one batch to a KMS that takes data keys one by one. */
const CONCURRENCY = 16

/** Each by itself, whatever becomes of the others: in one call where the connector has one, else a few at once. */
export async function rewrapMany(
  items: readonly RewrapItem[],
  to: { readonly connector: KmsConnector; readonly key: string },
  rewrap: (item: RewrapItem) => Promise<WrappedKey>,
): Promise<readonly RewrapOutcome[]> {
  const { connector, key } = to
  const staysInside = items.every(({ wrapped }) => wrapped.connector === connector.name)
  if (staysInside && connector.rewrapMany) return await connector.rewrapMany(items, key)
  const outcomes: RewrapOutcome[] = []
  for (let start = 0; start < items.length; start += CONCURRENCY) {
    const some = items.slice(start, start + CONCURRENCY)
    outcomes.push(...(await Promise.all(some.map((item) => outcomeOf(() => rewrap(item))))))
  }
  return outcomes
}

async function outcomeOf(rewrap: () => Promise<WrappedKey>): Promise<RewrapOutcome> {
  try {
    return { wrapped: await rewrap() }
  } catch (error) {
    if (!isCofferError(error)) throw error
    return { refused: error.code }
  }
}
