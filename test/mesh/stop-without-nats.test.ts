import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { startGroup } from '../harness/process-group.ts'
import { COFFER, cleanEnvironment, REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'
import { startFaultyLink } from './faulty-link.ts'
import { startNats } from './nats-server.ts'

describeWithPrograms('where everything is stopped at once', ['nats-server', 'openssl'], (programs) => {
  const directory = temporaryDirectory('stop-without-nats')
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('a service whose NATS server is gone without a word ends in order all the same', async () => {
    const nats = await startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory)
    const link = await startFaultyLink(Number(new URL(nats.url).port))
    const meshKeyFile = join(directory, 'mesh.key')
    writeFileSync(meshKeyFile, randomBytes(32).toString('base64'), { mode: 0o600 })
    const env = cleanEnvironment({
      COFFER_DATA_DIR: join(directory, 'data'),
      COFFER_NATS_URL: `tls://127.0.0.1:${link.port}`,
      COFFER_NATS_USER: nats.user,
      COFFER_NATS_PASSWORD_FILE: nats.passwordFile,
      COFFER_NATS_CA_FILE: nats.caFile,
      COFFER_MESH_KEY_FILE: meshKeyFile,
    })
    const service = startGroup(process.execPath, [COFFER, 'service', 'metadata'], { env, cwd: REPOSITORY })
    try {
      await expect.poll(() => service.logs(), { timeout: 60_000 }).toContain('coffer metadata is ready')
      link.freeze()
      // Without an end of its own it would be killed, which the signal tells.
      expect(await service.stop(60_000), service.logs()).toEqual({ code: 0, signal: null })
    } finally {
      await service.stop()
      await link.stop()
      await nats.group.stop()
    }
  })
})
