import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openIdentities } from './identities.ts'

const directory = mkdtempSync(join(tmpdir(), 'coffer-identities-'))
const LDAP = {
  type: 'ldap',
  url: 'ldaps://directory.example.org',
  bindDn: 'cn=reader,dc=example,dc=org',
  bindPasswordFile: '/run/secrets/reader',
  userBase: 'ou=people,dc=example,dc=org',
}
const ROLE = 'arn:aws:iam::111122223333:role/agents'

const logger = { warn: () => undefined }

async function opened(configuration: unknown) {
  const identitiesFile = join(directory, 'identities.json')
  writeFileSync(identitiesFile, JSON.stringify(configuration))
  return await openIdentities({ identitiesFile, oidcIssuerHosts: [] }, logger)
}

describe('the file of identities', () => {
  it('says which certificates become what', async () => {
    const certificates = [{ when: { commonName: 'agent-*', uri: ['a', 'b'] }, assume: ROLE }]
    expect((await opened({ certificates })).certificateRules).toEqual([
      { when: { 'certificate:commonname': ['agent-*'], 'certificate:uri': ['a', 'b'] }, assume: ROLE },
    ])
    const options = { identitiesFile: undefined, oidcIssuerHosts: ['login.example.org'] }
    const none = await openIdentities(options, logger)
    expect(none).toEqual({ oidcIssuerHosts: ['login.example.org'], certificateRules: [] })
  })

  it('says which people of a directory become what, names in the form of the directory', async () => {
    const rules = [{ when: { groups: 'CN=Ops, OU=Groups, DC=Example', username: 'Ada*' }, assume: ROLE }]
    const { directory } = await opened({ directory: { ...LDAP, rules } })
    const when = { 'ldap:groups': ['cn=ops,ou=groups,dc=example'], 'ldap:username': ['Ada*'] }
    expect(directory?.rules).toEqual([{ when, assume: ROLE }])
  })

  it.each([
    ['a rule that every certificate fits', { certificates: [{ when: {}, assume: ROLE }] }],
    ['an attribute that is none', { certificates: [{ when: { color: 'blue' }, assume: ROLE }] }],
    ['what is neither role nor user', { certificates: [{ when: { dns: 'x' }, assume: 'arn:aws:iam::1:root' }] }],
    ['a setting that is none', { certificate: [] }],
    ['a directory that is none', { directory: { type: 'nonsense' } }],
    ['a directory without what it needs', { directory: { type: 'ldap', url: 'ldaps://x' } }],
    [
      'a directory that would be told passwords in the clear',
      { directory: { ...LDAP, url: 'ldap://x', startTls: false } },
    ],
    ['a filter that is none', { directory: { ...LDAP, userFilter: '(uid=%s' } }],
    ['a rule that everybody fits', { directory: { ...LDAP, rules: [{ when: {}, assume: ROLE }] } }],
  ])('is refused with %s', async (_what, configuration) => {
    const code = 'COFFER_IDENTITIES_CONFIGURATION_INVALID'
    await expect(opened(configuration)).rejects.toMatchObject({ code })
  })
})
