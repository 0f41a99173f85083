import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OidcProvider, startOidcProvider } from '../harness/oidc-provider.ts'
import { failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { callSts, iam, policy, sessionIn } from './query-api.ts'

/*
 * The recipes of docs/sts.md, "Providers": tokens of the shapes that providers document, signed by a real one.
 */

const server = await serverForSuite({ workers: 1, env: { COFFER_OIDC_ISSUER_HOSTS: '127.0.0.1' } })
const root = s3Client(server)
const CLIENT = 'coffer-cli'
const ENTRA_CLIENT = '6e74172b-be56-4843-9ff4-e66a39bb12e3'
const GOOGLE_CLIENT = '407408718192.apps.googleusercontent.com'
const OPS_GROUP = '0c6f1a3e-97a1-4b0f-9f0b-3b6b0d1c7f11'

let provider: OidcProvider
let providerId = ''
let providerArn = ''
let count = 0

beforeAll(async () => {
  provider = await startOidcProvider()
  providerId = provider.issuer.replace('http://', '')
  const clients = [CLIENT, ENTRA_CLIENT, GOOGLE_CLIENT, '104029292853099978293', 'coffer']
  const ids = Object.fromEntries(clients.map((id, index) => [`ClientIDList.member.${index + 1}`, id]))
  const made = await iam(server, 'CreateOpenIDConnectProvider', {
    Url: provider.issuer,
    ...ids,
    'Tags.member.1.Key': 'coffer:role-claim',
    'Tags.member.1.Value': 'realm_access.roles',
  })
  providerArn = made.text('OpenIDConnectProviderArn')
})
afterAll(() => provider?.close())

/** `claim`: as in a recipe, with `PROVIDER` for the provider's name. */
async function newRole(RoleName: string, Condition: object): Promise<string> {
  const text = JSON.stringify(Condition).replaceAll('PROVIDER', providerId)
  const trust = { Effect: 'Allow', Principal: { Federated: providerArn }, Action: 'sts:AssumeRoleWithWebIdentity' }
  const AssumeRolePolicyDocument = policy({ ...trust, Condition: JSON.parse(text) })
  return (await iam(server, 'CreateRole', { RoleName, AssumeRolePolicyDocument })).text('Arn')
}

async function assume(claims: object, RoleArn?: string) {
  const WebIdentityToken = await provider.tokenFor('248289761001', { ...claims })
  const named = RoleArn === undefined ? {} : { RoleArn }
  return callSts(server, 'AssumeRoleWithWebIdentity', { RoleSessionName: 'job', WebIdentityToken, ...named }, 'none')
}

const ROLES = 'ForAnyValue:StringEquals'
const KEYCLOAK = {
  aud: ['account', CLIENT],
  azp: CLIENT,
  sid: 'b9b1e0ae-4c7d-4d0c-8e7c-3f0a4e7f7a01',
  typ: 'ID',
  acr: '1',
  preferred_username: 'ada',
  realm_access: { roles: ['offline_access', 'uma_authorization', 'coffer-ops'] },
  resource_access: { [CLIENT]: { roles: ['reader'] }, account: { roles: ['manage-account'] } },
  groups: ['/staff/ops'],
}
const ENTRA = {
  aud: ENTRA_CLIENT,
  ver: '2.0',
  tid: '9122040d-6c67-4c5b-b112-36a304b66dad',
  oid: '00000000-0000-0000-66f3-3332eca7ea81',
  preferred_username: 'ada@example.org',
  roles: ['Coffer.Operator'],
  groups: [OPS_GROUP, '1f6f1a3e-97a1-4b0f-9f0b-3b6b0d1c7f12'],
}
/** More groups than a token has room for: where they are to be asked for, not what they are. */
const ENTRA_OVERAGE = {
  ...ENTRA,
  groups: undefined,
  _claim_names: { groups: 'src1' },
  _claim_sources: { src1: { endpoint: 'https://graph.windows.net/users/x/getMemberObjects' } },
}
const OKTA = { ver: 1, aud: CLIENT, amr: ['pwd', 'mfa'], idp: '00ok1u7AsAkrwdZL3z0g3', groups: ['Everyone', 'ops'] }
const GOOGLE = {
  aud: GOOGLE_CLIENT,
  azp: GOOGLE_CLIENT,
  hd: 'example.org',
  email: 'ada@example.org',
  email_verified: true,
}
const GOOGLE_SERVICE = { aud: 'coffer', azp: '104029292853099978293', email: 'job@project.iam.gserviceaccount.com' }
const GITHUB = { aud: 'coffer', sub: 'repo:octo-org/octo-repo:ref:refs/heads/main', repository: 'octo-org/octo-repo' }
const KUBERNETES = { aud: ['coffer'], 'kubernetes.io': { namespace: 'ci', serviceaccount: { name: 'runner' } } }

const is = (claim: string, value: string) => ({ StringEquals: { [`PROVIDER:${claim}`]: value } })
const has = (claim: string, value: string) => ({ [ROLES]: { [`PROVIDER:${claim}`]: value } })

it.each([
  [
    'Keycloak, a realm role',
    KEYCLOAK,
    has('realm_access.roles', 'coffer-ops'),
    { realm_access: { roles: ['coffer'] } },
  ],
  [
    'Keycloak, a role of the client',
    KEYCLOAK,
    has(`resource_access.${CLIENT}.roles`, 'reader'),
    { resource_access: {} },
  ],
  ['Keycloak, a group by its path', KEYCLOAK, has('groups', '/staff/ops'), { groups: ['/other/staff/ops'] }],
  ['Keycloak, the client it was made for', KEYCLOAK, is('aud', CLIENT), { azp: 'coffer' }],
  ['Entra ID, an app role', ENTRA, has('roles', 'Coffer.Operator'), { roles: ['Coffer.Reader'] }],
  ['Entra ID, a group by its object id', ENTRA, has('groups', OPS_GROUP), ENTRA_OVERAGE],
  ['Entra ID, the tenant', ENTRA, is('tid', ENTRA.tid), { tid: '00000000-0000-0000-0000-000000000000' }],
  ['Okta, a group', OKTA, has('groups', 'ops'), { groups: ['Everyone'] }],
  ['Okta, a second factor', OKTA, has('amr', 'mfa'), { amr: ['pwd'] }],
  ['Google, a domain of Workspace', GOOGLE, is('hd', 'example.org'), { hd: undefined }],
  [
    'Google, an address that is verified',
    GOOGLE,
    { StringEquals: { 'PROVIDER:email': GOOGLE.email, 'PROVIDER:email_verified': 'true' } },
    { email_verified: false },
  ],
  [
    'Google, a service account',
    GOOGLE_SERVICE,
    { StringEquals: { 'PROVIDER:aud': GOOGLE_SERVICE.azp, 'PROVIDER:oaud': 'coffer' } },
    { aud: CLIENT },
  ],
  ['GitHub Actions, a branch of a repository', GITHUB, is('sub', GITHUB.sub), { sub: `${GITHUB.sub}-2` }],
  [
    'Kubernetes, a service account',
    KUBERNETES,
    is('kubernetes.io.serviceaccount.name', 'runner'),
    { 'kubernetes.io': { namespace: 'ci', serviceaccount: { name: 'other' } } },
  ],
])('%s', async (_what, claims, condition, others) => {
  count += 1
  const arn = await newRole(`recipe-${count}`, condition)
  expect(await assume(claims, arn)).toMatchObject({ status: 200 })
  expect(await assume({ ...claims, ...others }, arn)).toMatchObject({ status: 403, code: 'AccessDenied' })
})

it('finds the role by a claim within a claim', async () => {
  const arn = await newRole('coffer-ops', is('aud', CLIENT))
  const answer = await assume(KEYCLOAK)
  expect(answer.text('Arn')).toBe(`${arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/job`)
})

it('gives everybody a folder of their own, by the subject of the token', async () => {
  const bucket = await newBucket(root)
  for (const who of ['248289761001', 'somebody-else']) {
    await root.send(new PutObjectCommand({ Bucket: bucket, Key: `home/${who}/k`, Body: 'x' }))
  }
  const arn = await newRole('home', is('aud', CLIENT))
  const Resource = `arn:aws:s3:::${bucket}/home/\${${providerId}:sub}/*`
  const PolicyDocument = policy({ Effect: 'Allow', Action: 's3:GetObject', Resource })
  await iam(server, 'PutRolePolicy', { RoleName: 'home', PolicyName: 'own', PolicyDocument })
  const client = s3Client({ ...server, ...sessionIn(await assume({}, arn)) })
  const get = (who: string) => client.send(new GetObjectCommand({ Bucket: bucket, Key: `home/${who}/k` }))
  await get('248289761001')
  expect((await failureOf(get('somebody-else'))).code).toBe('AccessDenied')
})
