import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ListBucketsCommand } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { callIam, iam, newUser } from './query-api.ts'

const server = await serverForSuite({ workers: 3 })

function filesIn(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name)
    const stat = statSync(path)
    // A server's sockets rest nothing.
    return stat.isDirectory() ? filesIn(path) : stat.isFile() ? [path] : []
  })
}

describe('secrets', () => {
  it('of access keys and passwords are nowhere on the disk, in a log or in a second answer', async () => {
    const keys = await newUser(server, 'sealed')
    const password = 'Correct-Horse-Battery-1'
    await iam(server, 'CreateLoginProfile', { UserName: 'sealed', Password: password })
    expect((await callIam(server, 'CreateLoginProfile', { UserName: 'sealed', Password: password })).code).toBe(
      'EntityAlreadyExists',
    )
    const shown = [
      await iam(server, 'ListAccessKeys', { UserName: 'sealed' }),
      await iam(server, 'GetLoginProfile', { UserName: 'sealed' }),
      await iam(server, 'GetAccountAuthorizationDetails'),
      await iam(server, 'GetCredentialReport'),
    ]
    const found = filesIn(server.dataDir).filter((path) => {
      const bytes = readFileSync(path)
      return [keys.secretAccessKey, password].some((secret) => bytes.includes(secret))
    })
    expect(found).toEqual([])
    for (const text of [server.logs(), ...shown.map(({ body }) => body)]) {
      expect(text).not.toContain(keys.secretAccessKey)
      expect(text).not.toContain(password)
    }
  })

  it('that are weak are refused, and only who knows a password changes it', async () => {
    const keys = await newUser(server, 'login')
    const create = (Password: string) => callIam(server, 'CreateLoginProfile', { UserName: 'login', Password })
    expect((await create('short')).code).toBe('PasswordPolicyViolation')
    await iam(server, 'UpdateAccountPasswordPolicy', {
      MinimumPasswordLength: '12',
      RequireNumbers: 'true',
      PasswordReusePrevention: '2',
    })
    expect((await create('NoNumbersInHere')).code).toBe('PasswordPolicyViolation')
    expect((await create('With-numbers-12')).status).toBe(200)
    await iam(server, 'AttachUserPolicy', {
      UserName: 'login',
      PolicyArn: 'arn:aws:iam::aws:policy/IAMUserChangePassword',
    })
    const change = (OldPassword: string, NewPassword: string) =>
      callIam(server, 'ChangePassword', { OldPassword, NewPassword }, { keys })
    await expect
      .poll(async () => (await change('Wrong-numbers-12', 'Other-numbers-12')).text('Message'), { timeout: 60_000 })
      .toBe('The old password was incorrect.')
    expect((await change('With-numbers-12', 'With-numbers-12')).code).toBe('PasswordPolicyViolation')
    expect((await change('With-numbers-12', 'Other-numbers-12')).status).toBe(200)
    expect((await change('With-numbers-12', 'Third-numbers-12')).code).toBe('AccessDenied')
  })
})

describe('an access key', () => {
  it('says when it was used last', async () => {
    const keys = await newUser(server, 'used')
    const lastUsed = () => iam(server, 'GetAccessKeyLastUsed', { AccessKeyId: keys.accessKeyId })
    expect((await lastUsed()).text('ServiceName')).toBe('N/A')
    await s3Client({ ...server, ...keys })
      .send(new ListBucketsCommand({}))
      .catch(() => undefined)
    await expect.poll(async () => (await lastUsed()).text('ServiceName'), { timeout: 60_000 }).toBe('s3')
  })
})
