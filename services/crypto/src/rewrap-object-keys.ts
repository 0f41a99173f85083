import type { KmsService, ObjectKeyRewrap, ObjectKeyRewrapOutcome, StoredObjectKey } from '@coffer/contracts'
import { DUAL_LAYER_ALGORITHM } from '@coffer/crypto-core'
import { isCofferError } from '@coffer/errors'
import type { WrappedKey } from '@coffer/kms'
import { type DirectlySealed, decodeDirect, directKeyContext, encodeDirect } from './direct-key.ts'
import { decodeLayers, encodeLayers } from './dual-layer-key.ts'

/** One object key that a master key seals by itself, taken apart: what the KMS rewraps, and how it is put together again. */
interface Opened {
  readonly direct: DirectlySealed
  together(wrapped: WrappedKey): StoredObjectKey
}

/** The data keys of many objects under the newest version of a master key, in one call of the KMS. */
export async function rewrapObjectKeys(
  kms: KmsService,
  items: readonly ObjectKeyRewrap[],
  keyName: string,
): Promise<readonly ObjectKeyRewrapOutcome[]> {
  const opened = items.map(openOrRefuse)
  const wanted = items.flatMap(({ context }, index) => {
    const one = opened[index]
    return one === undefined || 'refused' in one ? [] : [{ one, context }]
  })
  const rewraps = wanted.map(({ one, context }) => ({
    wrapped: one.direct.wrapped,
    context: directKeyContext(context),
  }))
  const answers = await kms.rewrapMany(rewraps, keyName)
  const answerOf = new Map(wanted.map(({ one }, index) => [one, answers[index]]))
  return opened.map((one) => {
    if ('refused' in one) return one
    const answer = answerOf.get(one) ?? { refused: 'KMS_UNAVAILABLE' }
    return 'refused' in answer ? answer : { stored: one.together(answer.wrapped) }
  })
}

function openOrRefuse({ stored, context }: ObjectKeyRewrap): Opened | { readonly refused: string } {
  try {
    return context.algorithm === DUAL_LAYER_ALGORITHM ? openLayers(stored) : openDirect(stored)
  } catch (error) {
    if (isCofferError(error)) return { refused: error.code }
    throw error
  }
}

function openDirect(stored: StoredObjectKey): Opened {
  const direct = decodeDirect(stored)
  return { direct, together: (wrapped) => encodeDirect({ wrapped, sealed: direct.sealed }) }
}

function openLayers(stored: StoredObjectKey): Opened {
  const { inner, outer } = decodeLayers(stored)
  const opened = openDirect(inner)
  return { ...opened, together: (wrapped) => encodeLayers({ inner: opened.together(wrapped), outer }) }
}
