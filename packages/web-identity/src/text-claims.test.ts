import fc from 'fast-check'
import { expect, it } from 'vitest'
import { textClaims } from './text-claims.ts'

/** As the providers' own documentation shows their tokens. */
it.each([
  [
    'Keycloak',
    {
      azp: 'coffer-cli',
      realm_access: { roles: ['offline_access', 'ops'] },
      resource_access: { 'coffer-cli': { roles: ['reader'] }, account: { roles: ['view-profile'] } },
      groups: ['/staff/ops'],
    },
    {
      azp: 'coffer-cli',
      'realm_access.roles': ['offline_access', 'ops'],
      'resource_access.coffer-cli.roles': ['reader'],
      'resource_access.account.roles': ['view-profile'],
      groups: ['/staff/ops'],
    },
  ],
  [
    'Kubernetes',
    { 'kubernetes.io': { namespace: 'ci', serviceaccount: { name: 'runner', uid: 'u' } } },
    {
      'kubernetes.io.namespace': 'ci',
      'kubernetes.io.serviceaccount.name': 'runner',
      'kubernetes.io.serviceaccount.uid': 'u',
    },
  ],
  [
    'groups as objects',
    { groups: [{ name: 'ops', id: 1 }, { name: 'dev' }] },
    { 'groups.name': ['ops', 'dev'], 'groups.id': ['1'] },
  ],
  ['one group as a text', { groups: 'ops' }, { groups: 'ops' }],
  ['no groups', { groups: [] }, { groups: [] }],
  ['a name with dots before a path', { 'a.b': 'own', a: { b: 'path' } }, { 'a.b': 'own' }],
  ['and in the other order', { a: { b: 'path' }, 'a.b': 'own' }, { 'a.b': 'own' }],
  ['what is no text', { a: null, list: [1, 'x', null], deep: [[['y']]] }, { list: ['x'], deep: [] }],
  [
    'prototypes',
    JSON.parse('{"__proto__": {"sub": "x"}, "constructor": {"name": "y"}}'),
    { 'constructor.name': 'y', '__proto__.sub': 'x' },
  ],
])('claims of %s', (_what, payload, expected) => {
  expect(textClaims(payload)).toEqual(expected)
})

it('what is too deep, too long or too much is left out', () => {
  const deep = { a: { b: { c: { d: { e: { f: 'x' } } } } } }
  expect(textClaims({ ...deep, long: 'x'.repeat(5000), many: new Array(501).fill('x') })).toEqual({})
  const wide = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`c${index}`, 'x']))
  expect(Object.keys(textClaims(wide))).toHaveLength(500)
})

it('of any token texts and lists of texts come out', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (payload) => {
      for (const value of Object.values(textClaims(payload))) {
        expect(typeof value === 'string' || value.every((each) => typeof each === 'string')).toBe(true)
      }
    }),
  )
})
