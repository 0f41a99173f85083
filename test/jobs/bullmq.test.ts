import { jobQueueContract } from '@coffer/job-queue/contract'
import { BullJobQueue } from '@coffer/job-queue/drivers/bullmq'
import { afterAll, describe, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { type RedisServer, startRedis } from '../harness/redis-server.ts'

const PASSWORD = 'only-for-this-test'

describeWithPrograms('the BullMQ driver against Redis', ['redis-server'], (programs) => {
  let redis: Promise<RedisServer> | undefined
  let count = 0
  afterAll(async () => (await redis)?.stop())

  jobQueueContract('the BullMQ driver', async () => {
    redis ??= startRedis(programs['redis-server'], PASSWORD)
    const { url } = await redis
    const name = `jobs-${count++}`
    const opened = new Set<BullJobQueue>()
    return {
      open() {
        const queue = new BullJobQueue({ redis: { url, password: PASSWORD }, name, takeoverMs: 1_500 })
        opened.add(queue)
        return queue
      },
      async abandon(queue) {
        ;(queue as BullJobQueue).disconnect()
        opened.delete(queue as BullJobQueue)
      },
      async dispose() {
        for (const queue of opened) await queue.close()
      },
    }
  })
})

describe('the BullMQ driver without Redis', () => {
  it('says that the queue cannot be reached, and nothing of its password', async () => {
    const port = await freePort()
    const redis = { url: `redis://127.0.0.1:${port}`, password: 'very-secret' }
    const queue = new BullJobQueue({ redis, name: 'jobs' })
    const error = await queue.submit({ kind: 'a', request: {}, submittedBy: '' }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'JOB_QUEUE_UNAVAILABLE' })
    expect(`${error} ${JSON.stringify(error)} ${(error as Error).stack}`).not.toContain('very-secret')
    await queue.close()
  })
})
