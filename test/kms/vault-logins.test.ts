import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { startTlsBao, type TlsBao } from './bao.ts'
import { POLICY, vaultWorkbench } from './vault-connect.ts'

describeWithPrograms('logins of the vault connector, over TLS', ['bao'], (programs) => {
  const { connect, fileWith, dispose } = vaultWorkbench()
  let bao: TlsBao
  beforeAll(async () => {
    bao = await startTlsBao(programs.bao)
    await bao.api('POST', 'sys/policies/acl/coffer', { policy: POLICY })
  })
  afterAll(async () => {
    await dispose()
    await bao.stop()
  })

  /** A certificate for a client, made by an authority of its own mount. */
  const clientCertificate = async (mount: string, commonName: string) => {
    await bao.api('POST', `sys/mounts/${mount}`, { type: 'pki' })
    const root = await bao.api('POST', `${mount}/root/generate/internal`, {
      common_name: mount,
      key_type: 'ec',
      ttl: '2h',
    })
    await bao.api('POST', `${mount}/roles/client`, { allow_any_name: true, key_type: 'ec', client_flag: true })
    const issued = await bao.api('POST', `${mount}/issue/client`, { common_name: commonName, ttl: '1h' })
    const { certificate: authority } = root.data.data as { certificate: string }
    const { certificate, private_key } = issued.data.data as { certificate: string; private_key: string }
    return { authority, certFile: fileWith(certificate), keyFile: fileWith(private_key) }
  }

  it('by TLS certificate, of the authority that the role trusts and no other', async () => {
    const ours = await clientCertificate('pki-ours', 'coffer.example')
    const theirs = await clientCertificate('pki-theirs', 'coffer.example')
    await bao.api('POST', 'sys/auth/cert', { type: 'cert' })
    await bao.api('POST', 'auth/cert/certs/coffer', { certificate: ours.authority, token_policies: 'coffer' })
    const { address, caFile } = bao
    const auth = { method: 'cert', certFile: ours.certFile, keyFile: ours.keyFile }
    for (const role of ['coffer', undefined]) {
      const connector = await connect({ address, caFile, auth: { ...auth, ...(role !== undefined && { role }) } })
      await connector.createKey(`by-cert-${role}`)
      const { plaintext, wrapped } = await connector.generateDataKey(`by-cert-${role}`, { a: 'b' })
      expect((await connector.decrypt(wrapped, { a: 'b' })).equals(plaintext)).toBe(true)
    }
    const wrong = { method: 'cert', certFile: theirs.certFile, keyFile: theirs.keyFile, role: 'coffer' }
    const refused = await connect({ address, caFile, auth: wrong })
    await expect(refused.selfTest()).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
  })

  it('never to a server that the CA file does not vouch for', async () => {
    const other = await clientCertificate('pki-other', 'x.example')
    const auth = { method: 'token', tokenFile: fileWith(bao.rootToken) }
    for (const trust of [{}, { caFile: fileWith(other.authority) }]) {
      const connector = await connect({ address: bao.address, ...trust, auth })
      await expect(connector.selfTest()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
    }
  })

  it('in a namespace of its own, which sees nothing of the others', async () => {
    await bao.api('POST', 'sys/namespaces/team', {})
    await bao.api('POST', 'team/sys/mounts/transit', { type: 'transit' })
    const auth = { method: 'token', tokenFile: fileWith(bao.rootToken) }
    const { address, caFile } = bao
    const [inside, outside] = [
      await connect({ address, caFile, auth, namespace: 'team' }),
      await connect({ address, caFile, auth }),
    ]
    await inside.createKey('of-the-team')
    await expect(outside.describeKey('of-the-team')).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
    const listed = await inside.listKeys({ afterKeyId: '', limit: 10 })
    expect(listed.map(({ keyId }) => keyId)).toEqual(['of-the-team'])
  })

  it('with an environment variable that holds a token', async () => {
    process.env.COFFER_TEST_VAULT_TOKEN = bao.rootToken
    const auth = { method: 'token', tokenVariable: 'COFFER_TEST_VAULT_TOKEN' }
    const connector = await connect({ address: bao.address, caFile: bao.caFile, auth })
    await expect(connector.selfTest()).resolves.toBeUndefined()
    delete process.env.COFFER_TEST_VAULT_TOKEN
  })

  it('keeps a token of a file alive while nobody calls', async () => {
    const made = await bao.api('POST', 'auth/token/create', { policies: ['coffer'], ttl: '12s', renewable: true })
    const { client_token } = made.data.auth as { client_token: string }
    const auth = { method: 'token', tokenFile: fileWith(client_token) }
    const connector = await connect({ address: bao.address, caFile: bao.caFile, auth })
    await connector.selfTest()
    await sleep(14_000)
    await expect(connector.selfTest()).resolves.toBeUndefined()
  })

  it('by Kubernetes service account, against a double of that login', async () => {
    const made = await bao.api('POST', 'auth/token/create', { policies: ['coffer'], ttl: '1h' })
    const { client_token } = made.data.auth as { client_token: string }
    const logins: unknown[] = []
    const double = await kubernetesDouble(bao, (login) => {
      logins.push(login)
      return (login as { jwt?: string }).jwt === 'the.pods.token' ? client_token : undefined
    })
    const address = `http://127.0.0.1:${(double.address() as AddressInfo).port}`
    try {
      const auth = { method: 'kubernetes', role: 'coffer', jwtFile: fileWith('the.pods.token') }
      const connector = await connect({ address, auth })
      await connector.createKey('by-pod')
      await connector.generateDataKey('by-pod', {})
      expect(logins).toEqual([{ role: 'coffer', jwt: 'the.pods.token' }])
      const wrong = await connect({ address, auth: { ...auth, jwtFile: fileWith('another.pods.token') } })
      await expect(wrong.selfTest()).rejects.toMatchObject({ code: 'KMS_ACCESS_DENIED' })
    } finally {
      double.closeAllConnections()
      double.close()
    }
  })
})

/** The login of the Kubernetes method, which needs a cluster to check tokens with; all else goes to the real server. */
async function kubernetesDouble(bao: TlsBao, tokenFor: (login: unknown) => string | undefined): Promise<Server> {
  const double = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
    if (request.url === '/v1/auth/kubernetes/login') {
      const client_token = tokenFor(body)
      const auth = { client_token, lease_duration: 3600, renewable: true }
      response.writeHead(client_token === undefined ? 403 : 200)
      response.end(JSON.stringify(client_token === undefined ? { errors: ['permission denied'] } : { auth }))
      return
    }
    const path = (request.url ?? '').replace('/v1/', '')
    const answer = await bao.api(request.method ?? 'GET', path, body)
    response.writeHead(answer.status).end(JSON.stringify(answer.data))
  })
  await new Promise<void>((resolve) => double.listen(0, '127.0.0.1', resolve))
  return double
}
