import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JobProgress } from '@coffer/contracts'
import type { Job } from '@coffer/job-queue'
import { cofferJson } from '../harness/coffer-command.ts'
import { type CofferServer, temporaryDirectory } from '../harness/start-server.ts'

const POLL_MS = 100
const WAIT_MS_MAX = 100_000

/** A store to adopt from. */
export interface Source {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly caFile?: string
}

/** The file with its access key, as docs/adopt.md has it. */
export function credentialsFileFor({ accessKeyId, secretAccessKey, caFile }: Source): string {
  const directory = temporaryDirectory('adopt')
  writeFileSync(join(directory, 'secret'), `${secretAccessKey}\n`, { mode: 0o600 })
  const file = join(directory, 'source.json')
  const content = { accessKeyId, secretAccessKeyFile: 'secret', ...(caFile !== undefined && { caFile }) }
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 })
  return file
}

/** Starts `coffer adopt` as a user does. */
export async function startAdopt(
  target: Pick<CofferServer, 'env'>,
  from: { readonly endpoint: string; readonly bucket: string; readonly credentialsFile: string },
  to: string,
  ...more: readonly string[]
): Promise<Job> {
  const place = ['--from', `${from.endpoint}/${from.bucket}`, '--credentials-file', from.credentialsFile, '--to', to]
  return await cofferJson<Job>(target, ['adopt', ...place, ...more])
}

export async function untilJob(
  target: Pick<CofferServer, 'env' | 'logs'>,
  id: string,
  isReached: (job: Job) => boolean = ({ endedAt }) => endedAt !== undefined,
): Promise<Job> {
  const show = () => cofferJson<Job>(target, ['job', 'show', id])
  for (const deadline = Date.now() + WAIT_MS_MAX; Date.now() < deadline; await sleep(POLL_MS)) {
    const job = await show()
    if (isReached(job)) return job
  }
  throw new Error(`job ${id} did not get there: ${JSON.stringify(await show())}\n${target.logs()}`)
}

export function progressOf(job: Job): JobProgress {
  return (job.result ?? job.progress) as unknown as JobProgress
}
