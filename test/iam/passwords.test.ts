import { describe, expect, it } from 'vitest'
import { serverForSuite } from '../harness/start-server.ts'
import { callIam, iam, newUser, policy } from './query-api.ts'

// Two workers: guesses are counted by all processes together.
const server = await serverForSuite({ workers: 2 })
const GUESSES = 10
const [RIGHT, NEXT] = ['Correct-Horse-Battery-1', 'Correct-Horse-Battery-2']
const MAY_CHANGE = policy({ Effect: 'Allow', Action: 'iam:ChangePassword', Resource: '*' })

/** With a password, and leave to change it. */
async function personWith(UserName: string, Password = RIGHT) {
  const keys = await newUser(server, UserName)
  await iam(server, 'CreateLoginProfile', { UserName, Password })
  await iam(server, 'PutUserPolicy', { UserName, PolicyName: 'own', PolicyDocument: MAY_CHANGE })
  return async (OldPassword: string, NewPassword = NEXT) => {
    const { status, code } = await callIam(server, 'ChangePassword', { OldPassword, NewPassword }, { keys })
    return status === 200 ? 'changed' : code
  }
}

describe('a password', () => {
  it('is not guessed: after ten wrong ones in a row a right one is refused too, however many come at one moment', async () => {
    const change = await personWith('guessed')
    const guesses = await Promise.all(Array.from({ length: GUESSES + 5 }, (_, index) => change(`Wrong-Guess-${index}`)))
    expect(guesses.filter((outcome) => outcome === 'AccessDenied')).toHaveLength(GUESSES)
    expect(guesses.filter((outcome) => outcome === 'EntityTemporarilyUnmodifiable')).toHaveLength(5)
    expect(await change(RIGHT)).toBe('EntityTemporarilyUnmodifiable')
    // Somebody else's is not locked with it.
    expect(await (await personWith('neighbour'))(RIGHT)).toBe('changed')
    // An administrator who sets a new one ends it.
    await iam(server, 'UpdateLoginProfile', { UserName: 'guessed', Password: 'Set-By-An-Admin-1' })
    expect(await change('Set-By-An-Admin-1')).toBe('changed')
  })

  it('may be wrong nine times and then right, again and again', async () => {
    const change = await personWith('clumsy')
    for (const [old, next] of [
      [RIGHT, NEXT],
      [NEXT, RIGHT],
    ] as const) {
      for (let guess = 1; guess < GUESSES; guess++) expect(await change(`Wrong-Guess-${guess}`)).toBe('AccessDenied')
      expect(await change(old, next)).toBe('changed')
    }
  })

  it('is forgotten with its user, wrong guesses too', async () => {
    const change = await personWith('leaver')
    for (let guess = 0; guess < GUESSES; guess++) await change(`Wrong-Guess-${guess}`)
    expect(await change(RIGHT)).toBe('EntityTemporarilyUnmodifiable')
    await iam(server, 'DeleteLoginProfile', { UserName: 'leaver' })
    expect(await change(RIGHT)).toBe('NoSuchEntity')
    await iam(server, 'CreateLoginProfile', { UserName: 'leaver', Password: RIGHT })
    expect(await change(RIGHT)).toBe('changed')
  })
})

describe('the password policy of an account', () => {
  it('lets every user change their own password, unless a policy refuses it, and tells when it has to be', async () => {
    const change = async (UserName: string, OldPassword: string, NewPassword: string) => {
      const keys = people.get(UserName)
      return (await callIam(server, 'ChangePassword', { OldPassword, NewPassword }, keys && { keys })).code
    }
    const people = new Map([
      ['plain', await newUser(server, 'plain')],
      ['refused', await newUser(server, 'refused')],
    ])
    for (const UserName of people.keys()) await iam(server, 'CreateLoginProfile', { UserName, Password: RIGHT })
    const PolicyDocument = policy({ Effect: 'Deny', Action: 'iam:ChangePassword', Resource: '*' })
    await iam(server, 'PutUserPolicy', { UserName: 'refused', PolicyName: 'own', PolicyDocument })
    expect(await change('plain', RIGHT, NEXT)).toBe('AccessDenied')
    await iam(server, 'UpdateAccountPasswordPolicy', { AllowUsersToChangePassword: 'true', MaxPasswordAge: '90' })
    expect(await change('plain', RIGHT, NEXT)).toBe('')
    expect(await change('refused', RIGHT, NEXT)).toBe('AccessDenied')
    const asPlain = { keys: people.get('plain') ?? server }
    expect((await callIam(server, 'GetAccountPasswordPolicy', {}, asPlain)).text('MaxPasswordAge')).toBe('90')
    expect((await callIam(server, 'UpdateLoginProfile', { UserName: 'refused', Password: NEXT }, asPlain)).code).toBe(
      'AccessDenied',
    )
    const report = (await iam(server, 'GetCredentialReport')).text('Content')
    const lines = Buffer.from(report, 'base64').toString().split('\n')
    const columns = (lines[0] ?? '').split(',')
    const cells = lines.find((line) => line.startsWith('plain,'))?.split(',') ?? []
    const timeIn = (name: string) => Date.parse(cells[columns.indexOf(name)] ?? '')
    expect(timeIn('password_next_rotation') - timeIn('password_last_changed')).toBe(90 * 24 * 60 * 60 * 1000)
  })
})
