import { IAM_ACTIONS, STS_ACTIONS } from '@coffer/service-iam/testing/registry'
import { beforeAll, describe, expect, it } from 'vitest'
import { cofferJson } from '../harness/coffer-command.ts'
import { send } from '../harness/raw-request.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { iamRows } from './access-rows.ts'
import { callIam, callSts, iam, newUser, policy, type QueryAnswer, type SessionKeys, sessionIn } from './query-api.ts'

// One worker: what was changed is in force at once.
const server = await serverForSuite({ workers: 1 })
const account = (await callSts(server, 'GetCallerIdentity')).text('Account')
const rows = iamRows(account)
const { accessKey: neighbour } = await cofferJson<{ accessKey: SigningKeys }>(server, [
  'account',
  'create',
  'neighbour',
])

const REFUSED = 'AccessDenied'
const outcomeOf = ({ status, code }: QueryAnswer) => (status === 200 ? 'done' : code)
const everything = policy({ Effect: 'Allow', Action: '*', Resource: '*' })

let plain: SigningKeys
let probe: SigningKeys
let mighty: SigningKeys
/** Of the mighty user themselves, of a role that may everything, and of somebody federated who was passed everything. */
let temporary: SessionKeys
let ofRole: SessionKeys
let federated: SessionKeys

const allow = (UserName: string, PolicyDocument: string) =>
  iam(server, 'PutUserPolicy', { UserName, PolicyName: 'own', PolicyDocument })
const ask = async (action: string, keys: SessionKeys) => {
  const { sessionToken, ...signing } = keys
  return outcomeOf(await callIam(server, action, rows[action], { keys: signing }, sessionToken))
}

beforeAll(async () => {
  plain = await newUser(server, 'plain')
  probe = await newUser(server, 'probe')
  mighty = await newUser(server, 'mighty')
  await allow('mighty', everything)
  const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' })
  const role = await iam(server, 'CreateRole', { RoleName: 'all', AssumeRolePolicyDocument })
  await iam(server, 'PutRolePolicy', { RoleName: 'all', PolicyName: 'own', PolicyDocument: everything })
  const taken = { RoleArn: role.text('Arn'), RoleSessionName: 'job' }
  ofRole = sessionIn(await callSts(server, 'AssumeRole', taken, mighty))
  temporary = sessionIn(await callSts(server, 'GetSessionToken', {}, mighty))
  federated = sessionIn(await callSts(server, 'GetFederationToken', { Name: 'guest', Policy: everything }, mighty))
})

describe('each action of the IAM API', () => {
  it('has a row', () => {
    expect(Object.keys(rows).sort()).toEqual([...IAM_ACTIONS.keys()].sort())
    expect(IAM_ACTIONS.size).toBeGreaterThan(100)
  })

  it.each([...IAM_ACTIONS.keys()])('%s is done by whom it may be, and by nobody else', async (action) => {
    const body = new URLSearchParams({ Action: action, Version: '2010-05-08', ...rows[action] }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
    const unsigned = await send(server, { method: 'POST', path: '/', headers, body })
    await allow('probe', policy({ Effect: 'Allow', Action: `iam:${action}`, Resource: '*' }))
    const exactly = await ask(action, probe)
    await allow('probe', policy({ Effect: 'Allow', NotAction: `iam:${action}`, Resource: '*' }))
    const allBut = await ask(action, probe)
    expect({
      nobody: unsigned.code,
      plain: await ask(action, plain),
      allBut,
      temporary: await ask(action, temporary),
      federated: await ask(action, federated),
    }).toEqual({
      nobody: 'MissingAuthenticationToken',
      plain: REFUSED,
      allBut: REFUSED,
      temporary: REFUSED,
      federated: REFUSED,
    })
    const lets = { exactly, ofRole: await ask(action, ofRole), root: await ask(action, server) }
    for (const [who, outcome] of Object.entries(lets)) {
      expect([who, outcome]).not.toEqual([who, REFUSED])
    }
    // Else nothing would have been asked.
    expect(exactly).not.toBe('ValidationError')
  })

  it('that names something of another account does not reach it, not by its root either', async () => {
    const PolicyArn = (await iam(server, 'CreatePolicy', { PolicyName: 'there', PolicyDocument: everything })).text(
      'Arn',
    )
    const provider = await iam(server, 'CreateOpenIDConnectProvider', { Url: 'https://there.example' })
    const OpenIDConnectProviderArn = provider.text('OpenIDConnectProviderArn')
    const there = { PolicyArn, OpenIDConnectProviderArn }
    const naming = Object.entries(rows).filter(([, row]) => Object.keys(there).some((field) => field in row))
    expect(naming.length).toBeGreaterThan(20)
    for (const [action, row] of naming) {
      const own = Object.fromEntries(Object.entries(there).filter(([field]) => field in row))
      const answer = await callIam(server, action, { ...row, ...own }, { keys: neighbour })
      expect([action, answer.status]).not.toEqual([action, 200])
    }
    const kept = await iam(server, 'GetPolicy', { PolicyArn })
    expect(kept.text('DefaultVersionId')).toBe('v1')
    expect((await iam(server, 'GetOpenIDConnectProvider', { OpenIDConnectProviderArn })).text('Url')).toBe(
      'there.example',
    )
  })
})

describe('each action of STS', () => {
  const roleArn = () => `arn:aws:iam::${account}:role/all`
  const parameters = (): Readonly<Record<string, Readonly<Record<string, string>>>> => ({
    AssumeRole: { RoleArn: roleArn(), RoleSessionName: 'job' },
    GetSessionToken: {},
    GetFederationToken: { Name: 'guest' },
    GetCallerIdentity: {},
    EndSession: {},
  })
  const NO_SESSION = 'ValidationError'
  /** The others bring another proof than a signature: their tests are of what they prove. */
  const PROVEN = ['AssumeRoleWithCertificate', 'AssumeRoleWithLDAPIdentity', 'AssumeRoleWithWebIdentity']

  it('has a row', () => {
    expect([...Object.keys(parameters()), ...PROVEN].sort()).toEqual([...STS_ACTIONS.keys()].sort())
  })

  it.each([
    // Of its own account a trust policy that names only that leaves it to the user's own policies.
    ['AssumeRole', { plain: REFUSED, exactly: 'done', allBut: REFUSED, temporary: 'done', federated: REFUSED }],
    ['GetSessionToken', { plain: 'done', exactly: 'done', allBut: 'done', temporary: REFUSED, federated: REFUSED }],
    [
      'GetFederationToken',
      { plain: REFUSED, exactly: 'done', allBut: REFUSED, temporary: REFUSED, federated: REFUSED },
    ],
    ['GetCallerIdentity', { plain: 'done', exactly: 'done', allBut: 'done', temporary: 'done', federated: 'done' }],
    // The last one: it ends the sessions that asked. Nobody can be kept from that, and access keys are none.
    [
      'EndSession',
      { plain: NO_SESSION, exactly: NO_SESSION, allBut: NO_SESSION, temporary: 'done', federated: 'done' },
    ],
  ])('%s is done by whom it may be, and by nobody else', async (action, expected) => {
    const sts = async (keys?: SessionKeys | 'none') =>
      outcomeOf(await callSts(server, action, parameters()[action], keys))
    await allow('probe', policy({ Effect: 'Allow', Action: `sts:${action}`, Resource: '*' }))
    const exactly = await sts(probe)
    await allow('probe', policy({ Effect: 'Allow', NotAction: `sts:${action}`, Resource: '*' }))
    expect({
      plain: await sts(plain),
      exactly,
      allBut: await sts(probe),
      temporary: await sts(temporary),
      federated: await sts(federated),
    }).toEqual(expected)
    expect(['MissingAuthenticationToken', REFUSED]).toContain(await sts('none'))
  })
})
