import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { type ProcessGroup, startGroup } from '../harness/process-group.ts'
import { bytesOf, newBucket, s3Client } from '../harness/s3.ts'
import { cleanEnvironment, serverForSuite, temporaryDirectory, waitUntilReady } from '../harness/start-server.ts'
import { documented, documentedVariables } from './documented.ts'
import { describeWithPythonClients } from './python-clients.ts'

const TIMEOUT_MS = 120_000
const LARGE_BYTES = 9 * 1024 * 1024

const server = await serverForSuite()
const s3 = s3Client(server)

describeWithPythonClients('the server giftless', (python) => {
  describeWithPrograms('for Git LFS', ['git', 'git-lfs'], ({ git }) => {
    const directory = temporaryDirectory('git-lfs')
    // A variable of the shell's would count more than what Git's configuration says.
    const { GIT_SSL_CAINFO: _ofShell, ...env } = cleanEnvironment({
      ...documentedVariables('AWS CLI and SDKs', server),
      HOME: directory,
      GIT_CONFIG_NOSYSTEM: '1',
      GIFTLESS_CONFIG_FILE: join(directory, 'giftless.yaml'),
    })
    let bucket = ''
    let giftless: ProcessGroup
    let url = ''

    const run = async (cwd: string, ...args: string[]): Promise<string> =>
      (await runOrThrow(git, args, { env, cwd, timeoutMs: TIMEOUT_MS })).stdout

    beforeAll(async () => {
      bucket = await newBucket(s3)
      mkdirSync(join(directory, '.aws'))
      writeFileSync(join(directory, '.aws/config'), documented('Git LFS', 'ini', server))
      const settings = documented('Git LFS', 'yaml', server).replace('bucket_name: lfs', `bucket_name: ${bucket}`)
      writeFileSync(join(directory, 'giftless.yaml'), settings)
      const trust = documented('Git LFS', 'sh', server)
      await runOrThrow('/bin/sh', ['-c', trust], { env, cwd: directory })
      for (const [name, value] of Object.entries({ 'user.name': 'Ada', 'user.email': 'ada@example.org' })) {
        await run(directory, 'config', '--global', name, value)
      }
      await run(directory, 'lfs', 'install', '--skip-repo')

      const port = await freePort()
      url = `http://127.0.0.1:${port}/team/app.git/info/lfs`
      const args = ['-m', 'flask', '--app', 'giftless.wsgi_entrypoint', 'run', '--port', String(port)]
      giftless = startGroup(python, args, { env, cwd: directory })
      await waitUntilReady(giftless, `http://127.0.0.1:${port}`, '')
    })

    afterAll(async () => {
      await giftless.stop()
      rmSync(directory, { recursive: true, force: true })
    })

    it(
      'keeps what is pushed, and gives it to whoever clones',
      async () => {
        const [origin, mine, yours] = ['origin.git', 'mine', 'yours'].map((name) => join(directory, name)) as [
          string,
          string,
          string,
        ]
        await run(directory, 'init', '--quiet', '--bare', '--initial-branch=main', origin)
        await run(directory, 'clone', '--quiet', origin, mine)
        await run(mine, 'checkout', '--quiet', '-B', 'main')
        await run(mine, 'config', '-f', '.lfsconfig', 'lfs.url', url)
        await run(mine, 'lfs', 'track', '*.bin')
        const large = randomBytes(LARGE_BYTES)
        writeFileSync(join(mine, 'large.bin'), large)
        for (let number = 0; number < 5; number++) writeFileSync(join(mine, `${number}.bin`), `small ${number}`)
        await run(mine, 'add', '.')
        await run(mine, 'commit', '--quiet', '-m', 'large files')
        await run(mine, 'push', '--quiet', 'origin', 'main')

        const oid = createHash('sha256').update(large).digest('hex')
        const stored = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: `team/app/${oid}` }))
        expect((await bytesOf(stored)).equals(large)).toBe(true)

        await run(directory, 'clone', '--quiet', origin, yours)
        expect(readFileSync(join(yours, 'large.bin')).equals(large)).toBe(true)
        expect(readFileSync(join(yours, '4.bin'), 'utf8')).toBe('small 4')

        writeFileSync(join(mine, 'large.bin'), 'another')
        await run(mine, 'commit', '--quiet', '-a', '-m', 'changed')
        await run(mine, 'push', '--quiet', 'origin', 'main')
        await run(yours, 'pull', '--quiet')
        expect(readFileSync(join(yours, 'large.bin'), 'utf8')).toBe('another')
      },
      TIMEOUT_MS,
    )
  })
})
