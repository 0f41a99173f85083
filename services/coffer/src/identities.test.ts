import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openIdentities } from './identities.ts'

const directory = mkdtempSync(join(tmpdir(), 'coffer-identities-'))
const ROLE = 'arn:aws:iam::111122223333:role/agents'

function opened(configuration: unknown) {
  const identitiesFile = join(directory, 'identities.json')
  writeFileSync(identitiesFile, JSON.stringify(configuration))
  return openIdentities({ identitiesFile, oidcIssuerHosts: [] })
}

describe('the file of identities', () => {
  it('says which certificates become what', () => {
    const certificates = [{ when: { commonName: 'agent-*', uri: ['a', 'b'] }, assume: ROLE }]
    expect(opened({ certificates }).certificateRules).toEqual([
      { when: { 'certificate:commonname': ['agent-*'], 'certificate:uri': ['a', 'b'] }, assume: ROLE },
    ])
    const none = openIdentities({ identitiesFile: undefined, oidcIssuerHosts: ['login.example.org'] })
    expect(none).toEqual({ oidcIssuerHosts: ['login.example.org'], certificateRules: [] })
  })

  it.each([
    ['a rule that every certificate fits', { certificates: [{ when: {}, assume: ROLE }] }],
    ['an attribute that is none', { certificates: [{ when: { color: 'blue' }, assume: ROLE }] }],
    ['what is neither role nor user', { certificates: [{ when: { dns: 'x' }, assume: 'arn:aws:iam::1:root' }] }],
    ['a setting that is none', { certificate: [] }],
  ])('is refused with %s', (_what, configuration) => {
    const code = 'COFFER_IDENTITIES_CONFIGURATION_INVALID'
    expect(() => opened(configuration)).toThrow(expect.objectContaining({ code }))
  })
})
