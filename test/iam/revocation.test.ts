import { existsSync } from 'node:fs'
import type { Agent } from 'node:https'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionPerWorker } from '../durability/worker-connections.ts'
import { describeUnavailable } from '../harness/find-program.ts'
import { type OidcProvider, startOidcProvider } from '../harness/oidc-provider.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { iam } from './query-api.ts'
import { loggedOut, providerRemoved, REVOCATIONS } from './revocations.ts'

const WORKERS = 3
const server = await serverForSuite({ workers: WORKERS, env: { COFFER_OIDC_ISSUER_HOSTS: '127.0.0.1' } })

if (!existsSync('/proc/net/tcp')) {
  describeUnavailable('what is revoked', 'which worker has a connection is read from /proc, which is Linux')
} else {
  describe('what is revoked on one machine', () => {
    let agents: Agent[] = []
    let provider: OidcProvider
    beforeAll(async () => {
      agents = await connectionPerWorker(server, WORKERS)
      provider = await startOidcProvider()
    })
    afterAll(async () => {
      for (const agent of agents) agent.destroy()
      await provider?.close()
    })

    // The next request after the answer that it is done: no worker is waited for.
    it.each(REVOCATIONS)('$name counts on no worker from the next request on', async ({ give }) => {
      const given = await give(server, 'one')
      for (const agent of agents) expect(await given.counts({ target: server, agent })).toBe(true)
      await given.revoke(server)
      for (const agent of agents) expect(await given.counts({ target: server, agent })).toBe(false)
    })

    it('an OpenID Connect provider gives no sessions any more once it is removed', async () => {
      const given = await providerRemoved(provider).give(server, 'one')
      expect(await given.counts({ target: server })).toBe(true)
      await given.revoke(server)
      // Each over a connection of its own: so each worker is asked.
      for (let attempt = 0; attempt < 4 * WORKERS; attempt++) {
        expect(await given.counts({ target: server })).toBe(false)
      }
    })

    it('a log-out at an OpenID Connect provider counts on every worker from the next request on', async () => {
      const given = await loggedOut(provider).give(server, 'one')
      for (const agent of agents) expect(await given.counts({ target: server, agent })).toBe(true)
      await given.revoke(server)
      for (const agent of agents) expect(await given.counts({ target: server, agent })).toBe(false)
    })

    it('an access key counts again on every worker when it is made active again', async () => {
      const [key] = REVOCATIONS
      const given = await key?.give(server, 'again')
      await given?.revoke(server)
      const AccessKeyId = (await iam(server, 'ListAccessKeys', { UserName: 'key-again' })).text('AccessKeyId')
      await iam(server, 'UpdateAccessKey', { UserName: 'key-again', AccessKeyId, Status: 'Active' })
      for (const agent of agents) expect(await given?.counts({ target: server, agent })).toBe(true)
    })
  })
}
