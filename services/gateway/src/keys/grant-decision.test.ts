import type { KeyGrant } from '@coffer/contracts'
import type { KnownPrincipal } from '@coffer/policy'
import { describe, expect, it } from 'vitest'
import { decideOnRetirement, decideWithGrants } from './grant-decision.ts'
import type { KeyUseAsked } from './key-decision.ts'
import type { KeyGuard, KeyGuards } from './key-guards.ts'
import { keyPolicyOf } from './key-policy.ts'

const OWNER = '111111111111'
const ARN = `arn:aws:kms:us-east-1:${OWNER}:key/payments`
const user = (userName: string): KnownPrincipal => ({
  kind: 'iam-user',
  accountId: OWNER,
  canonicalId: 'c'.repeat(64),
  arn: `arn:aws:iam::${OWNER}:user/${userName}`,
  userId: `AIDA${userName.toUpperCase().padEnd(17, 'X')}`,
  userName,
})
const [ANN, BOB] = [user('ann'), user('bob')]

const GRANT: KeyGrant = {
  connector: 'local',
  keyId: 'payments',
  grantId: 'a'.repeat(64),
  createdAt: 0,
  granteePrincipal: ANN.arn,
  granteeId: ANN.userId,
  issuingAccountId: OWNER,
  operations: ['Decrypt', 'GenerateDataKey', 'DescribeKey', 'CreateGrant'],
}
const CONTEXT = { tenant: 'acme', kind: 'invoice' }

function guardWith(effect: 'Allow' | 'Deny' = 'Allow', action = 'kms:ListGrants'): KeyGuard {
  const Statement = [{ Effect: effect, Principal: { AWS: ANN.arn }, Action: action, Resource: '*' }]
  const policy = { id: ARN, policy: keyPolicyOf(JSON.stringify({ Version: '2012-10-17', Statement })) }
  return { name: 'local/payments', arn: ARN, ownerAccountId: OWNER, isServerKey: false, policy, tags: [] }
}

const askedOf = (asked: Partial<KeyUseAsked>): KeyUseAsked => ({
  principal: ANN,
  policies: undefined,
  action: 'kms:Decrypt',
  encryptionContext: {},
  values: () => undefined,
  ...asked,
})

async function effectBy(
  grant: Partial<KeyGrant>,
  asked: Partial<KeyUseAsked> = {},
  { guard = guardWith(), byToken = false }: { guard?: KeyGuard; byToken?: boolean } = {},
) {
  const all = [{ ...GRANT, ...grant }]
  const guards = { findGrants: async () => (byToken ? [] : all) } as unknown as KeyGuards
  return (await decideWithGrants(guard, askedOf(asked), guards, byToken ? all : [])).effect
}

describe('a grant', () => {
  it('lets its grantee do what it names with its key, and nothing else, nor anybody else', async () => {
    expect(await effectBy({})).toBe('allow')
    for (const action of ['kms:Encrypt', 'kms:ReEncryptFrom', 'kms:RevokeGrant', 'kms:ScheduleKeyDeletion']) {
      expect(await effectBy({}, { action })).toBe('deny')
    }
    expect(await effectBy({}, { principal: BOB })).toBe('deny')
    expect(await effectBy({}, { principal: 'anonymous' })).toBe('deny')
    // Who has the name now is not who it was given to.
    expect(await effectBy({}, { principal: { ...ANN, userId: 'AIDAANOTHERXXXXXXXXXX' } })).toBe('deny')
  })

  it('never beats a Deny of the key’s policy', async () => {
    expect(await effectBy({}, {}, { guard: guardWith('Deny', 'kms:Decrypt') })).toBe('deny')
    expect(await effectBy({}, {}, { guard: guardWith('Deny', 'kms:Encrypt') })).toBe('allow')
  })

  it('that a token tells of is of its own key only', async () => {
    expect(await effectBy({}, {}, { byToken: true })).toBe('allow')
    for (const other of [{ keyId: 'other' }, { connector: 'vault' }]) {
      expect(await effectBy(other, {}, { byToken: true })).toBe('deny')
    }
  })

  it.each([
    ['the very context', { encryptionContextEquals: CONTEXT }, CONTEXT, 'allow'],
    ['a context with more', { encryptionContextEquals: CONTEXT }, { ...CONTEXT, more: 'x' }, 'deny'],
    ['a context with less', { encryptionContextEquals: CONTEXT }, { tenant: 'acme' }, 'deny'],
    ['another value', { encryptionContextEquals: CONTEXT }, { ...CONTEXT, tenant: 'other' }, 'deny'],
    ['what has to be in it, and more', { encryptionContextSubset: { tenant: 'acme' } }, CONTEXT, 'allow'],
    [
      'what has to be in it, of another value',
      { encryptionContextSubset: { tenant: 'acme' } },
      { tenant: 'x' },
      'deny',
    ],
    ['no context', { encryptionContextSubset: { tenant: 'acme' } }, {}, 'deny'],
    ['a name of every object', { encryptionContextSubset: { constructor: 'x' } }, {}, 'deny'],
  ])('is held to its constraint: %s', async (_what, constraints, encryptionContext, effect) => {
    expect(
      await effectBy({ constraints: constraints as NonNullable<KeyGrant['constraints']> }, { encryptionContext }),
    ).toBe(effect)
  })

  const subset = { encryptionContextSubset: { tenant: 'acme' } }
  it.each([
    ['some of its operations', undefined, { operations: ['Decrypt'] }, 'allow'],
    ['one more operation', undefined, { operations: ['Decrypt', 'Encrypt'] }, 'deny'],
    ['no constraint where it has one', subset, { operations: ['Decrypt'] }, 'deny'],
    ['the same constraint', subset, { operations: ['Decrypt'], constraints: subset }, 'allow'],
    ['a narrower one', subset, { operations: ['Decrypt'], constraints: { encryptionContextEquals: CONTEXT } }, 'allow'],
    [
      'another one',
      subset,
      { operations: ['Decrypt'], constraints: { encryptionContextSubset: { tenant: 'x' } } },
      'deny',
    ],
  ])('makes no grant that gives more than it gives: %s', async (_what, constraints, newGrant, effect) => {
    const grant = { ...(constraints && { constraints }) }
    expect(await effectBy(grant, { action: 'kms:CreateGrant', newGrant })).toBe(effect)
  })
})

it('a grant is retired by its retiring principal, and by its grantee only where it says so', () => {
  const effectOf = (grant: Partial<KeyGrant>, principal: KnownPrincipal) =>
    decideOnRetirement({ ...GRANT, ...grant }, ARN, askedOf({ action: 'kms:RetireGrant', principal })).effect
  expect(effectOf({}, ANN)).toBe('deny')
  expect(effectOf({ operations: ['RetireGrant'] }, ANN)).toBe('allow')
  expect(effectOf({ retiringPrincipal: BOB.arn, retiringId: BOB.userId }, BOB)).toBe('allow')
  expect(effectOf({ retiringPrincipal: BOB.arn, retiringId: 'AIDAANOTHERXXXXXXXXXX' }, BOB)).toBe('deny')
})
