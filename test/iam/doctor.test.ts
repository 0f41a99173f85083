import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { freePort } from '../harness/free-port.ts'
import { OIDC_CLIENT_ID, type OidcProvider, startOidcProvider } from '../harness/oidc-provider.ts'
import { GROUPS, PEOPLE, READER, type Slapd, startSlapd } from '../harness/slapd.ts'
import { type CofferServer, startServer, temporaryDirectory } from '../harness/start-server.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'
import { callIam, callSts } from './query-api.ts'

interface Finding {
  readonly level: string
  readonly code: string
  readonly about: string
  readonly text: string
}

describeWithPrograms('coffer doctor on identities', ['slapd', 'openssl'], ({ slapd, openssl }) => {
  const authority = new CertificateAuthority(openssl)
  const identitiesFile = join(temporaryDirectory('doctor-identities'), 'identities.json')
  let directory: Slapd
  let provider: OidcProvider
  let server: CofferServer
  let account = ''

  const arnOf = (name: string) => `arn:aws:iam::${account}:${name}`
  const passwordFile = authority.fileWith(READER.password)
  const ldap = (more: object = {}) => ({
    type: 'ldap',
    url: directory.secureUrl,
    caFile: authority.caFile,
    bindDn: READER.dn,
    bindPasswordFile: passwordFile,
    userBase: PEOPLE,
    groupBase: GROUPS,
    timeoutSeconds: 9,
    ...more,
  })

  /** What it says of identities alone; certificates of the server and disks are others' tests'. */
  async function examine(identities: unknown, env: Readonly<Record<string, string>> = {}): Promise<readonly Finding[]> {
    writeFileSync(identitiesFile, typeof identities === 'string' ? identities : JSON.stringify(identities))
    const settings = { COFFER_IDENTITIES_FILE: identitiesFile, COFFER_OIDC_ISSUER_HOSTS: '127.0.0.1' }
    const { code, stdout, stderr } = await coffer(['doctor', '--json'], { ...server.env, ...settings, ...env })
    expect(stdout, stderr).not.toBe('')
    expect(stdout).not.toContain(READER.password)
    const findings = JSON.parse(stdout) as readonly Finding[]
    expect(code).toBe(findings.some(({ level }) => level === 'problem') ? 1 : 0)
    return findings.filter((one) => /^(identit|directory-?(unreachable)?$|issuer|client-authority)/.test(one.code))
  }
  const shortly = (findings: readonly Finding[]) => findings.map(({ level, code }) => `${level} ${code}`)

  async function register(Url: string): Promise<void> {
    await callIam(server, 'CreateOpenIDConnectProvider', { Url, 'ClientIDList.member.1': OIDC_CLIENT_ID })
  }

  beforeAll(async () => {
    const alternativeNames = ['DNS.1=localhost']
    const certificate = authority.issue('ldap', 'serverAuth', { alternativeNames, days: 90 })
    directory = await startSlapd(slapd, [{ uid: 'alice', password: 'of-alice' }], certificate)
    provider = await startOidcProvider()
    server = await startServer({ workers: 1 })
    account = (await callSts(server, 'GetCallerIdentity')).text('Account')
    await callIam(server, 'CreateUser', { UserName: 'erin' })
    await register(provider.issuer)
  })
  afterAll(async () => {
    await server?.dispose()
    await provider?.close()
    await directory?.dispose()
    authority.dispose()
  })

  it('finds nothing wrong where everything is there', async () => {
    const rules = [{ when: { username: 'erin' }, assume: arnOf('user/erin') }]
    const certificates = [{ when: { commonName: 'agent' }, assume: arnOf('user/erin') }]
    const env = { COFFER_CLIENT_CERTIFICATES: 'optional', COFFER_CLIENT_CA_FILE: authority.caFile }
    const findings = await examine({ certificates, directory: ldap({ rules }) }, env)
    // The authority of the tests lives for a month.
    expect(shortly(findings).filter((one) => !one.includes('client-authority'))).toEqual([
      'ok identities',
      'ok directory',
      'ok issuer',
    ])
    expect(findings[0]?.text).toBe('1 rules for certificates, 1 for people of a directory')
  })

  it('says what is wrong in the file, and where', async () => {
    for (const [identities, why] of [
      ['{"directory": ', 'identities'],
      [{ directory: ldap({ userBse: 'x' }) }, 'userBse'],
      [{ directory: { type: 'no-such-directory' } }, 'no-such-directory'],
      [{ certificates: [{ when: { colour: 'x' }, assume: arnOf('role/x') }] }, 'colour'],
    ] as const) {
      const [invalid] = await examine(identities)
      expect([invalid?.level, invalid?.code]).toEqual(['problem', 'identities-invalid'])
      expect(invalid?.text).toContain(why)
    }
  })

  it('knows rules for whom there is not, and rules that nobody can meet', async () => {
    const certificates = [
      { when: { commonName: 'agent' }, assume: arnOf('role/no-such-role') },
      { when: { commonName: 'erin' }, assume: arnOf('user/erin') },
    ]
    const findings = await examine({ certificates })
    expect(shortly(findings)).toEqual([
      'ok identities',
      'warning identity-certificates-off',
      'problem identity-rule-unknown',
      'ok issuer',
    ])
    expect(findings[2]?.text).toContain('role/no-such-role')
  })

  it('tells a directory that is away, that does not know its account, or whose certificate ends soon', async () => {
    await directory.stop()
    expect(shortly(await examine({ directory: ldap() }))).toContain('problem directory-unreachable')
    await directory.start()
    const wrong = await examine({ directory: ldap({ bindPasswordFile: authority.fileWith('not-the-password') }) })
    const refused = wrong.find(({ code }) => code === 'directory-unreachable')
    expect(refused?.text).toContain('InvalidCredentials')
    const certificate = authority.issue('ldap', 'serverAuth', { alternativeNames: ['DNS.1=localhost'], days: 5 })
    const other = await startSlapd(slapd, [], certificate)
    try {
      const findings = await examine({ directory: ldap({ url: other.secureUrl }) })
      expect(shortly(findings)).toContain('warning identity-certificate-expires-soon')
    } finally {
      await other.dispose()
    }
  })

  it('tells authorities of clients that end', async () => {
    const certificates = [{ when: { commonName: 'erin' }, assume: arnOf('user/erin') }]
    const { certFile } = authority.issue('authority', 'serverAuth', { days: 5 })
    const env = { COFFER_CLIENT_CERTIFICATES: 'optional', COFFER_CLIENT_CA_FILE: certFile }
    expect(shortly(await examine({ certificates }, env))).toContain('warning client-authority-expires-soon')
  })

  it('tells issuers that are away, that are no issuers, and that may not be asked', async () => {
    const nothing = createServer((_, response) => void response.end('{}')).listen(0, '127.0.0.1')
    await register(`http://127.0.0.1:${await freePort()}`)
    await register(`http://127.0.0.1:${(nothing.address() as AddressInfo).port}`)
    await register('http://localhost:1')
    const findings = await examine({})
    nothing.close()
    expect(shortly(findings.filter(({ code }) => code.startsWith('issuer'))).sort()).toEqual([
      'ok issuer',
      'problem issuer-invalid',
      'problem issuer-refused',
      'problem issuer-unreachable',
    ])
    expect(findings.find(({ code }) => code === 'issuer-refused')?.about).toBe('http://localhost:1')
  })
})
