import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { cleanEnvironment, temporaryDirectory } from '../harness/start-server.ts'
import { awsWorkbench } from './aws-connect.ts'
import { AwsDouble } from './aws-double.ts'

describeWithPrograms('the aws connector over TLS, to a double of AWS', ['openssl'], ({ openssl }) => {
  const { connect, settingsFor, dispose } = awsWorkbench()
  const directory = temporaryDirectory('aws-tls')
  const certify = async (name: string): Promise<{ keyFile: string; caFile: string }> => {
    const [keyFile, caFile] = [join(directory, `${name}.key`), join(directory, `${name}.crt`)]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile, '-out', caFile]
    await runOrThrow(openssl, ['req', '-x509', ...key, ...subject], { env: cleanEnvironment({}) })
    return { keyFile, caFile }
  }
  let server: Server
  let endpoint: string
  let ours: { keyFile: string; caFile: string }
  let theirs: { keyFile: string; caFile: string }
  beforeAll(async () => {
    ours = await certify('ours')
    theirs = await certify('theirs')
    const identity = { key: readFileSync(ours.keyFile), cert: readFileSync(ours.caFile) }
    server = createServer(identity, new AwsDouble().listener)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(async () => {
    await dispose()
    server.closeAllConnections()
    server.close()
  })

  it('trusts the CA file that it is given', async () => {
    const connector = await connect({ ...settingsFor(endpoint), caFile: ours.caFile })
    await connector.createKey('k1')
    const { plaintext, wrapped } = await connector.generateDataKey('k1', {})
    expect((await connector.decrypt(wrapped, {})).equals(plaintext)).toBe(true)
  })

  it('speaks to no server that it does not vouch for', async () => {
    for (const trust of [{}, { caFile: theirs.caFile }]) {
      const connector = await connect({ ...settingsFor(endpoint), ...trust })
      await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    }
  })
})
