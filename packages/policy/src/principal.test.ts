import { describe, expect, it } from 'vitest'
import { type KnownPrincipal, principalValue } from './principal.ts'

const common = { accountId: '111122223333', canonicalId: 'c', userId: 'AIDA1' } as const
const alice: KnownPrincipal = {
  ...common,
  kind: 'iam-user',
  arn: 'arn:aws:iam::111122223333:user/x/alice',
  userName: 'alice',
  tags: { Team: 'blue' },
}
const session: KnownPrincipal = {
  ...common,
  kind: 'assumed-role',
  arn: 'arn:aws:sts::111122223333:assumed-role/r/s',
  issuerArn: 'arn:aws:iam::111122223333:role/r',
  userId: 'AROA1:s',
  tags: { team: 'red' },
  session: { issuedAt: 0, sourceIdentity: 'who', federatedProvider: 'accounts.google.com' },
}

/** IAM User Guide, "AWS global condition context keys". */
describe('condition keys of the principal', () => {
  it.each([
    [alice, 'aws:principalarn', alice.arn],
    [alice, 'aws:username', 'alice'],
    [alice, 'aws:userid', 'AIDA1'],
    [alice, 'aws:principaltype', 'User'],
    [alice, 'aws:principalaccount', '111122223333'],
    [alice, 'aws:principaltag/team', 'blue'],
    [alice, 'aws:principaltag/other', undefined],
    [alice, 'aws:tokenissuetime', undefined],
    [alice, 'aws:multifactorauthpresent', undefined],
    [session, 'aws:principalarn', 'arn:aws:iam::111122223333:role/r'],
    [session, 'aws:username', undefined],
    [session, 'aws:userid', 'AROA1:s'],
    [session, 'aws:principaltype', 'AssumedRole'],
    [session, 'aws:principaltag/team', 'red'],
    [session, 'aws:tokenissuetime', '1970-01-01T00:00:00.000Z'],
    [session, 'aws:multifactorauthpresent', 'false'],
    [session, 'aws:sourceidentity', 'who'],
    [session, 'aws:federatedprovider', 'accounts.google.com'],
    ['anonymous', 'aws:principaltype', 'Anonymous'],
    ['anonymous', 'aws:userid', 'anonymous'],
    ['anonymous', 'aws:principalarn', undefined],
    ['anonymous', 'aws:principaltag/team', undefined],
  ] as const)('%j %s: %s', (principal, key, value) => {
    expect(principalValue(principal, key)).toBe(value)
  })
})
