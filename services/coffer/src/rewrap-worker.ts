import { isCofferError } from '@coffer/errors'
import type { KmsRecords } from '@coffer/kms'
import { DomainKey } from '@coffer/kms/connectors/local'
import { createLogger } from '@coffer/mesh'
import { type RewrapBatchWorker, rewrapBatchWorker } from '@coffer/service-rotation'
import type { RewrapHelperAnswer, RewrapHelperMessage } from './rewrap-messages.ts'
import { openStoreServices } from './store-services.ts'

type StartMessage = Extract<RewrapHelperMessage, { kind: 'start' }>
type BatchMessage = Extract<RewrapHelperMessage, { kind: 'batch' }>

/** Does batches for the job process whose child this is, and ends with it: what is begun is whole or not done at all. */
export function workOnRewraps(): void {
  let worker: Promise<RewrapBatchWorker> | undefined
  process.on('message', (message: RewrapHelperMessage) => {
    if (message.kind === 'start') {
      worker = start(message)
      worker.then(
        () => answer({ kind: 'ready' }),
        () => process.exit(1),
      )
    } else if (worker !== undefined) {
      doBatch(worker, message).catch(() => process.exit(1))
    }
  })
  process.on('disconnect', () => process.exit(0))
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
}

async function start({ directories, domainKey, kmsFile, log }: StartMessage): Promise<RewrapBatchWorker> {
  const logger = createLogger({ ...log, name: 'rewrap' })
  const openDomainKey = (records: KmsRecords) => DomainKey.resume(domainKey, records)
  const { mesh } = await openStoreServices(directories, { openDomainKey, kmsFile }, logger)
  return rewrapBatchWorker(mesh)
}

/** Rejects only for what no batch can be done after. */
async function doBatch(worker: Promise<RewrapBatchWorker>, { id, batch }: BatchMessage): Promise<void> {
  try {
    answer({ kind: 'done', id, outcomes: await (await worker)(batch) })
  } catch (error) {
    if (!isCofferError(error)) throw error
    answer({ kind: 'failed', id, code: error.code, message: error.message })
  }
}

function answer(message: RewrapHelperAnswer): void {
  process.send?.(message, undefined, undefined, () => undefined)
}
