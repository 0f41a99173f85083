import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findAllow, findDeny, isPublicPolicy, type PolicyRequest } from './evaluate.ts'
import { PolicyMalformed, parseIdentityPolicy, parseResourcePolicy } from './parse-policy.ts'
import { Pattern } from './pattern.ts'
import type { Policy } from './policy.ts'

const ACCOUNT = '111122223333'
const OTHER = '444455556666'
const CANONICAL = 'c'.repeat(64)
const place = {
  service: 's3',
  isOwnResource: (resource: string) => resource === 'arn:aws:s3:::b' || resource.startsWith('arn:aws:s3:::b/'),
}
const alice = {
  kind: 'iam-user',
  accountId: ACCOUNT,
  arn: `arn:aws:iam::${ACCOUNT}:user/alice`,
  canonicalId: CANONICAL,
  userId: 'AIDAALICE',
} as const
const base = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' }

const parse = (statements: unknown, version = '2012-10-17') =>
  parseResourcePolicy(JSON.stringify({ Version: version, Statement: statements }), place)

function evaluatePolicy(policy: Policy, request: PolicyRequest): 'allow' | 'deny' | 'silent' {
  if (findDeny(policy, request)) return 'deny'
  return findAllow(policy, request) ? 'allow' : 'silent'
}

interface Asked {
  readonly principal?: typeof alice | 'anonymous'
  readonly action?: string
  readonly resource?: string
  readonly values?: Record<string, string[]>
}

function verdict(statements: unknown, asked: Asked = {}, version?: string) {
  const { principal = alice, action = 's3:GetObject', resource = 'arn:aws:s3:::b/k', values = {} } = asked
  return evaluatePolicy(parse(statements, version), { principal, action, resource, values: (key) => values[key] })
}

describe('a policy', () => {
  it('allows what it names, says nothing of the rest, and a Deny beats every Allow', () => {
    expect(verdict(base)).toBe('allow')
    expect(verdict(base, { action: 's3:PutObject' })).toBe('silent')
    expect(verdict(base, { resource: 'arn:aws:s3:::b' })).toBe('silent')
    expect(verdict([base, { ...base, Effect: 'Deny' }])).toBe('deny')
    expect(verdict([{ ...base, Effect: 'Deny', Action: 's3:Put*' }, base])).toBe('allow')
  })

  it.each([
    ['s3:*', 's3:GetObject', true],
    ['*', 's3:GetObject', true],
    ['s3:get*', 's3:GetObject', true],
    ['s3:Get?bject', 's3:GetObject', true],
    ['s3:Get', 's3:GetObject', false],
    ['s3:*Object', 's3:GetObjectVersion', false],
  ])('action %s of %s: %s', (Action, action, isNamed) => {
    expect(verdict({ ...base, Action }, { action })).toBe(isNamed ? 'allow' : 'silent')
    const { Action: _, ...rest } = base
    expect(verdict({ ...rest, NotAction: Action }, { action })).toBe(isNamed ? 'silent' : 'allow')
  })

  it('tells upper from lower case in resources', () => {
    const Resource = 'arn:aws:s3:::b/Key'
    expect(verdict({ ...base, Resource }, { resource: 'arn:aws:s3:::b/key' })).toBe('silent')
    expect(verdict({ ...base, Resource }, { resource: Resource })).toBe('allow')
  })

  it.each([
    ['*', alice, true],
    ['*', 'anonymous', true],
    [{ AWS: '*' }, 'anonymous', true],
    [{ AWS: ACCOUNT }, alice, true],
    [{ AWS: `arn:aws:iam::${ACCOUNT}:root` }, alice, true],
    [{ AWS: [OTHER, alice.arn] }, alice, true],
    [{ AWS: `arn:aws:iam::${ACCOUNT}:user/bob` }, alice, false],
    [{ AWS: OTHER }, alice, false],
    [{ AWS: ACCOUNT }, 'anonymous', false],
    [{ CanonicalUser: CANONICAL }, alice, true],
    [{ CanonicalUser: 'd'.repeat(64) }, alice, false],
  ] as const)('principal %j for %j: %s', (Principal, principal, isNamed) => {
    expect(verdict({ ...base, Principal }, { principal })).toBe(isNamed ? 'allow' : 'silent')
    const { Principal: _, ...rest } = base
    expect(verdict({ ...rest, NotPrincipal: Principal }, { principal })).toBe(isNamed ? 'silent' : 'allow')
  })

  it('replaces variables, which are never wildcards, and matches nothing where one is unknown', () => {
    const Resource = `arn:aws:s3:::b/home/\${aws:username}/*`
    const of = (name: string[] | undefined, key: string, version?: string) =>
      verdict(
        { ...base, Resource },
        { resource: `arn:aws:s3:::b/home/${key}`, values: name ? { 'aws:username': name } : {} },
        version,
      )
    expect(of(['alice'], 'alice/x')).toBe('allow')
    expect(of(['alice'], 'bob/x')).toBe('silent')
    expect(of(['*'], 'bob/x')).toBe('silent')
    expect(of(['*'], '*/x')).toBe('allow')
    expect(of(undefined, 'alice/x')).toBe('silent')
    expect(of(['a', 'b'], 'a/x')).toBe('silent')
    // Variables came with 2012-10-17.
    expect(of(['alice'], 'alice/x', '2008-10-17')).toBe('silent')
    const escaped = { ...base, Resource: `arn:aws:s3:::b/\${*}\${?}\${$}` }
    expect(verdict(escaped, { resource: 'arn:aws:s3:::b/*?$' })).toBe('allow')
    expect(verdict(escaped, { resource: 'arn:aws:s3:::b/xx$' })).toBe('silent')
    const fallback = { ...base, Resource: `arn:aws:s3:::b/\${aws:username, 'nobody'}` }
    expect(verdict(fallback, { resource: 'arn:aws:s3:::b/nobody' })).toBe('allow')
  })
})

describe('conditions', () => {
  const met = (Condition: object, values: Record<string, string[]>) =>
    verdict({ ...base, Condition }, { values }) === 'allow'

  it.each([
    ['StringEquals', 'a', 'a', true],
    ['StringEquals', 'a', 'A', false],
    ['StringEquals', 'a*', 'ab', false],
    ['StringNotEquals', 'a', 'b', true],
    ['StringNotEquals', 'a', 'a', false],
    ['StringEqualsIgnoreCase', 'a', 'A', true],
    ['StringNotEqualsIgnoreCase', 'a', 'A', false],
    ['StringLike', 'a*c?', 'abbcd', true],
    ['StringLike', 'a*c?', 'abbc', false],
    ['StringNotLike', 'a*', 'b', true],
    ['NumericEquals', '10', '10.0', true],
    ['NumericNotEquals', '10', '11', true],
    ['NumericLessThan', '10', '9', true],
    ['NumericLessThan', '10', '10', false],
    ['NumericLessThanEquals', '10', '10', true],
    ['NumericGreaterThan', '10', '10', false],
    ['NumericGreaterThanEquals', '10', '10', true],
    ['NumericGreaterThan', '10', 'many', false],
    ['DateLessThan', '2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z', true],
    ['DateGreaterThan', '2026-01-01T00:00:00Z', '1767225601', true],
    ['DateEquals', '2026-01-01', '2026-01-01T00:00:00Z', true],
    ['Bool', 'true', 'TRUE', true],
    ['Bool', 'true', 'false', false],
    ['IpAddress', '10.0.0.0/8', '10.1.2.3', true],
    ['IpAddress', '10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['IpAddress', '10.0.0.0/8', '11.1.2.3', false],
    ['IpAddress', '10.0.0.0/8', 'no address', false],
    ['IpAddress', '2001:db8::/32', '2001:db8::1', true],
    ['NotIpAddress', '10.0.0.0/8', '11.1.2.3', true],
    ['NotIpAddress', '10.0.0.0/8', '10.1.2.3', false],
    ['ArnLike', 'arn:aws:iam::1:user/*', 'arn:aws:iam::1:user/a', true],
    ['ArnEquals', 'arn:aws:iam::1:user/a', 'arn:aws:iam::1:user/b', false],
    ['ArnNotLike', 'arn:aws:iam::1:user/*', 'arn:aws:iam::2:user/a', true],
    ['ArnLike', 'arn:aws:iam::1:u*r/a:?', 'arn:aws:iam::1:user/a:b', true],
  ])('%s %s of %s: %s', (operator, wanted, value, isMet) => {
    expect(met({ [operator]: { 'aws:key': wanted } }, { 'aws:key': [value] })).toBe(isMet)
    expect(met({ [`${operator}IfExists`]: { 'aws:key': wanted } }, { 'aws:key': [value] })).toBe(isMet)
    expect(met({ [`${operator}IfExists`]: { 'aws:key': wanted } }, {})).toBe(true)
    // A key that is not there fits what is negated, and nothing else.
    expect(met({ [operator]: { 'aws:key': wanted } }, {})).toBe(/Not/.test(operator))
  })

  it.each(['ArnLike', 'ArnEquals', 'StringLike'])(
    '%s takes no wildcard from what a variable stands for',
    (operator) => {
      const own = { [operator]: { 'aws:key': `arn:aws:iam::1:role/\${aws:PrincipalTag/team}` } }
      const role = 'arn:aws:iam::1:role/a'
      expect(met(own, { 'aws:key': [role], 'aws:principaltag/team': ['a'] })).toBe(true)
      for (const tag of ['*', '?']) expect(met(own, { 'aws:key': [role], 'aws:principaltag/team': [tag] })).toBe(false)
      const whole = { [operator]: { 'aws:key': `\${s3:prefix}` } }
      expect(met(whole, { 'aws:key': [role], 's3:prefix': ['*'] })).toBe(false)
      expect(met(whole, { 'aws:key': [role], 's3:prefix': [role] })).toBe(true)
    },
  )

  it('have to be met all; one of several values is enough, and of a negated operator none may fit', () => {
    const both = { StringEquals: { 'aws:a': ['1', '2'], 'aws:b': '3' } }
    expect(met(both, { 'aws:a': ['2'], 'aws:b': ['3'] })).toBe(true)
    expect(met(both, { 'aws:a': ['2'], 'aws:b': ['4'] })).toBe(false)
    const neither = { StringNotEquals: { 'aws:a': ['1', '2'] } }
    expect(met(neither, { 'aws:a': ['3'] })).toBe(true)
    expect(met(neither, { 'aws:a': ['2'] })).toBe(false)
  })

  it('on keys with many values say whether all or any have to fit', () => {
    const all = { 'ForAllValues:StringEquals': { 's3:requestobjecttagkeys': ['a', 'b'] } }
    const any = { 'ForAnyValue:StringEquals': { 's3:requestobjecttagkeys': ['a', 'b'] } }
    const of = (...tags: string[]) => ({ 's3:requestobjecttagkeys': tags })
    expect([met(all, of('a')), met(all, of('a', 'c')), met(all, {})]).toEqual([true, false, true])
    expect([met(any, of('c', 'a')), met(any, of('c')), met(any, {})]).toEqual([true, false, false])
  })

  it('Null asks whether the key is there', () => {
    expect(met({ Null: { 'aws:a': 'true' } }, {})).toBe(true)
    expect(met({ Null: { 'aws:a': 'true' } }, { 'aws:a': ['x'] })).toBe(false)
    expect(met({ Null: { 'aws:a': false } }, { 'aws:a': ['x'] })).toBe(true)
  })

  it('take variables in their values', () => {
    const own = { StringEquals: { 's3:prefix': `\${aws:username}` } }
    expect(met(own, { 's3:prefix': ['alice'], 'aws:username': ['alice'] })).toBe(true)
    expect(met(own, { 's3:prefix': ['bob'], 'aws:username': ['alice'] })).toBe(false)
    expect(met(own, { 's3:prefix': ['alice'] })).toBe(false)
  })
})

describe('a policy that cannot be meant', () => {
  const { Principal: _, ...withoutPrincipal } = base
  const refused: readonly (readonly [name: string, text: string, word: string])[] = [
    ['nothing', '', 'valid JSON'],
    ['a list', '[]', 'valid JSON'],
    ['another version', JSON.stringify({ Version: '2020-01-01', Statement: [base] }), 'version'],
    ['no statement', JSON.stringify({ Version: '2012-10-17' }), 'Statement'],
    ['an unknown field', JSON.stringify({ Version: '2012-10-17', Statment: [base] }), 'Statment'],
    ['too many bytes', JSON.stringify({ Id: 'x'.repeat(21_000), Statement: [base] }), '20 KB'],
    ...(
      [
        ['no statements', [], 'empty'],
        ['no principal', withoutPrincipal, 'Principal'],
        ['both kinds of action', { ...base, NotAction: 's3:*' }, 'Action'],
        ['an action of another service', { ...base, Action: 'iam:CreateUser' }, 'invalid action'],
        ['an action without service', { ...base, Action: 'GetObject' }, 'invalid action'],
        ['another bucket', { ...base, Resource: 'arn:aws:s3:::other/*' }, 'invalid resource'],
        ['another effect', { ...base, Effect: 'allow' }, 'effect'],
        ['a principal that is none', { ...base, Principal: { AWS: 'alice' } }, 'principal'],
        ['an unknown kind of principal', { ...base, Principal: { Robot: '*' } }, 'principal'],
        ['an unknown operator', { ...base, Condition: { StringMatches: { 'aws:a': 'b' } } }, 'StringMatches'],
        [
          'a network that is none',
          { ...base, Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/33' } } },
          'IpAddress',
        ],
        ['a number that is none', { ...base, Condition: { NumericEquals: { 's3:max-keys': 'ten' } } }, 'NumericEquals'],
        ['an unknown element', { ...base, Conditions: {} }, 'Conditions'],
      ] as const
    ).map(([name, Statement, word]) => [name, JSON.stringify({ Version: '2012-10-17', Statement }), word] as const),
  ]

  it.each(refused)('is refused with its reason: %s', (_name, text, word) => {
    expect(() => parseResourcePolicy(text, place)).toThrow(PolicyMalformed)
    expect(() => parseResourcePolicy(text, place)).toThrow(word)
  })

  it('is one of IAM with the same Sid twice; in a bucket policy both statements count', () => {
    const twice = [
      { Sid: 'a', Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' },
      { Sid: 'a', Effect: 'Deny', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/secret' },
    ]
    const text = JSON.stringify({ Version: '2012-10-17', Statement: twice })
    expect(() => parseIdentityPolicy(text)).toThrow('Statement IDs (SID) in a single policy must be unique.')
    const { statements } = parse(twice.map((statement) => ({ ...statement, Principal: '*' })))
    expect(statements.map(({ effect }) => effect)).toEqual(['Allow', 'Deny'])
  })

  it('is refused and nothing worse, whatever the text', () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.jsonValue().map((value) => JSON.stringify({ Statement: value })),
    )
    fc.assert(
      fc.property(text, (document) => {
        try {
          parseResourcePolicy(document, place)
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyMalformed)
        }
      }),
    )
  })
})

describe('a public policy', () => {
  it.each([
    [base, true],
    [{ ...base, Principal: { AWS: '*' } }, true],
    [{ ...base, Principal: { AWS: ACCOUNT } }, false],
    [{ ...base, Effect: 'Deny' }, false],
    [{ ...base, Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }, false],
    [{ ...base, Condition: { IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } } }, true],
    [{ ...base, Condition: { StringLike: { 'aws:PrincipalArn': '*' } } }, true],
    [{ ...base, Condition: { StringEquals: { 'aws:SourceVpc': 'vpc-1' } } }, false],
    [{ ...base, Condition: { StringNotEquals: { 'aws:SourceVpc': 'vpc-1' } } }, true],
    [{ ...base, Condition: { StringEquals: { 's3:prefix': 'x' } } }, true],
    [{ ...base, Condition: { StringEquals: { 'aws:SourceIp': '192.0.2.1' } } }, false],
    // Met by a request that has no such value, by any value, or by the value that it has.
    [{ ...base, Condition: { 'ForAllValues:StringEquals': { 'aws:PrincipalAccount': ACCOUNT } } }, true],
    [{ ...base, Condition: { 'ForAllValues:ArnLike': { 'aws:PrincipalArn': alice.arn } } }, true],
    [{ ...base, Condition: { 'ForAnyValue:StringEquals': { 'aws:PrincipalAccount': ACCOUNT } } }, false],
    [{ ...base, Condition: { StringEqualsIfExists: { 'aws:PrincipalAccount': ACCOUNT } } }, true],
    [{ ...base, Condition: { StringLike: { 'aws:SourceIp': '*' } } }, true],
    [{ ...base, Condition: { StringEquals: { 'aws:SourceIp': `\${aws:SourceIp}` } } }, true],
    [{ ...base, Condition: { IpAddress: { 'aws:SourceIp': `\${aws:SourceIp}` } } }, true],
    [{ ...base, Condition: { IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '::/0'] } } }, true],
    // All of IPv4 as well.
    [{ ...base, Condition: { IpAddress: { 'aws:SourceIp': '::/64' } } }, true],
    [{ ...base, Condition: { IpAddress: { 'aws:SourceIp': '::ffff:0:0/96' } } }, true],
    [{ ...base, Condition: { IpAddress: { 'aws:SourceIp': '::ffff:10.0.0.0/103' } } }, true],
    [{ ...base, Condition: { IpAddress: { 'aws:SourceIp': ['2001:db8::/32', '::ffff:10.0.0.0/104'] } } }, false],
    [{ ...base, Condition: { NumericLessThan: { 'aws:PrincipalAccount': '999999999999' } } }, true],
    [{ ...base, Condition: { NumericGreaterThanEquals: { 'aws:PrincipalAccount': '0' } } }, true],
  ])('is %j: %s', (statement, isPublic) => {
    expect(isPublicPolicy(parse(statement))).toBe(isPublic)
  })
})

describe('wildcards', () => {
  const none = () => undefined
  const glob = (text: string) => new Pattern(text, { wildcards: true, variables: false })

  it('match what a regular expression of the same meaning matches', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '.', '😀'), maxLength: 12 })
    fc.assert(
      fc.property(few, few, (text, candidate) => {
        const source = [...text].map((c) => (c === '*' ? '.*' : c === '?' ? '.' : c.replace(/[.]/g, '\\$&'))).join('')
        expect(glob(text).matches(candidate, none)).toBe(new RegExp(`^${source}$`, 'su').test(candidate))
      }),
      { numRuns: 2_000 },
    )
  })

  it('take no more time for a pattern made to take it', () => {
    const begun = process.threadCpuUsage()
    expect(glob(`${'*a'.repeat(500)}b`).matches('a'.repeat(5_000), none)).toBe(false)
    // As many as fit into a bucket policy, asked for each key of a multi-delete, block nobody for minutes.
    const patterns = ['b', `b${'a'.repeat(220)}*`].map((end) => glob(`*${'a'.repeat(220)}${end}`))
    const key = 'a'.repeat(1_024)
    for (let count = 0; count < 1_000; count++) for (const one of patterns) expect(one.matches(key, none)).toBe(false)
    expect(process.threadCpuUsage(begun).user).toBeLessThan(2_000_000)
  })
})
