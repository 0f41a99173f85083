import { readFile } from 'node:fs/promises'
import type { Configuration } from '@coffer/config'
import type { MetadataService } from '@coffer/contracts'
import type { JobQueue } from '@coffer/job-queue'
import { BullJobQueue } from '@coffer/job-queue/drivers/bullmq'
import { EmbeddedJobQueue } from '@coffer/job-queue/drivers/embedded'
import { cofferError } from './errors.ts'
import { jobRecordsIn } from './job-records.ts'

const QUEUE_NAME = 'coffer-jobs'

/** The jobs of a mesh: by way of Redis where one is configured, else by the metadata store alone. COFFER_REDIS_CONFIGURATION_INVALID, JOB_QUEUE_UNAVAILABLE. */
export async function openJobQueue(configuration: Configuration, metadata: MetadataService): Promise<JobQueue> {
  const { redisUrl: url, redisUser: user, redisPasswordFile, redisCaFile } = configuration
  if (url === undefined) return new EmbeddedJobQueue({ records: jobRecordsIn(metadata) })
  const queue = new BullJobQueue({
    redis: {
      url,
      user,
      password: (await readIfGiven(redisPasswordFile))?.trimEnd(),
      ca: await readIfGiven(redisCaFile),
    },
    name: QUEUE_NAME,
    records: jobRecordsIn(metadata),
  })
  try {
    // A wrong address or password is told at the start, not by the first job.
    await queue.assertReachable()
    return queue
  } catch (error) {
    queue.disconnect()
    throw error
  }
}

async function readIfGiven(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  return await readFile(path, 'utf8').catch((cause: unknown) => {
    throw cofferError('COFFER_REDIS_CONFIGURATION_INVALID', `cannot read ${path}`, { path }, { cause })
  })
}
