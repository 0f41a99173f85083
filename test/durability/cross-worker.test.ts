import { existsSync } from 'node:fs'
import type { Agent } from 'node:https'
import { describe, expect, it } from 'vitest'
import { describeUnavailable } from '../harness/find-program.ts'
import { sendSigned } from '../harness/raw-request.ts'
import { newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { connectionPerWorker } from './worker-connections.ts'

const ROUNDS = 10_000
const PAIRS = 8

if (!existsSync('/proc/net/tcp')) {
  describeUnavailable('two workers', 'which worker has a connection is read from /proc, which is Linux')
} else {
  describe('two workers', async () => {
    const server = await serverForSuite({ workers: 2 })
    const bucket = await newBucket(s3Client(server))

    it(`one reads what the other has just acknowledged, ${ROUNDS} times`, async () => {
      let round = 0
      const pair = async (index: number): Promise<void> => {
        const agents = await connectionPerWorker(server, 2)
        const key = `/${bucket}/k${index}`
        while (round < ROUNDS) {
          const value = `value ${round++}`
          const [writer, reader] = (round % 2 ? agents : agents.toReversed()) as [Agent, Agent]
          const put = await sendSigned(server, { method: 'PUT', path: key, body: value, agent: writer })
          expect(put.status, put.body.toString()).toBe(200)
          const got = await sendSigned(server, { method: 'GET', path: key, agent: reader })
          expect(got.body.toString()).toBe(value)
        }
        for (const agent of agents) agent.destroy()
      }
      await Promise.all(Array.from({ length: PAIRS }, async (_, index) => await pair(index)))
      expect(round).toBeGreaterThanOrEqual(ROUNDS)
    }, 240_000)

    it('a delete, a new bucket and versioning are seen at once too', async () => {
      const [one, two] = (await connectionPerWorker(server, 2)) as [Agent, Agent]
      for (let index = 0; index < 200; index++) {
        const path = `/${bucket}/deleted`
        await sendSigned(server, { method: 'PUT', path, body: 'x', agent: one })
        await sendSigned(server, { method: 'DELETE', path, agent: two })
        expect((await sendSigned(server, { method: 'GET', path, agent: one })).code).toBe('NoSuchKey')
      }
      for (let index = 0; index < 20; index++) {
        const path = `/fresh-${index}`
        expect((await sendSigned(server, { method: 'PUT', path, agent: one })).status).toBe(200)
        const versioning = { method: 'GET', path, query: { versioning: '' }, agent: one }
        expect((await sendSigned(server, versioning)).body.toString()).not.toContain('Enabled')
        const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
        const set = await sendSigned(server, { method: 'PUT', path, query: { versioning: '' }, body, agent: two })
        expect(set.status).toBe(200)
        expect((await sendSigned(server, versioning)).body.toString()).toContain('Enabled')
        const put = await sendSigned(server, { method: 'PUT', path: `${path}/k`, body: 'x', agent: one })
        expect(put.headers['x-amz-version-id']).toMatch(/^\S{8,}$/)
        const versionId = String(put.headers['x-amz-version-id'])
        const gone = { method: 'DELETE', path: `${path}/k`, query: { versionId }, agent: two }
        expect((await sendSigned(server, gone)).status).toBe(204)
        expect((await sendSigned(server, { method: 'DELETE', path, agent: two })).status).toBe(204)
        const late = await sendSigned(server, { method: 'PUT', path: `${path}/k`, body: 'x', agent: one })
        expect([late.status, late.code]).toEqual([404, 'NoSuchBucket'])
      }
      for (const agent of [one, two]) agent.destroy()
    })
  })
}
