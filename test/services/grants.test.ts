import type { NewGrant } from '@coffer/contracts'
import { describe, expect, it } from 'vitest'
import { type ServiceProcess, twoProcessesForEach } from './one-process.ts'

const ANN = 'arn:aws:iam::111111111111:user/ann'
const BOB = 'arn:aws:iam::111111111111:user/bob'
const GRANT: NewGrant = { granteePrincipal: ANN, issuingAccountId: '111111111111', operations: ['Decrypt'] }

describe('grants of master keys', () => {
  let services: ServiceProcess
  let other: ServiceProcess
  twoProcessesForEach(async (...started) => {
    ;[services, other] = started
    for (const key of ['blue', 'green']) await services.mesh.use('kms').createKey(key)
  })

  const idOf = (keyId: string, grantId: string) => `grant/local/${keyId}/${grantId}`

  it('are in every process at once, and gone there at once', async () => {
    const { grant, token } = await services.mesh.use('kms').createGrant('blue', GRANT)
    const elsewhere = other.mesh.use('kms')
    expect(await elsewhere.findGrantsTo('local/blue', [BOB, ANN])).toEqual([grant])
    expect(await elsewhere.findGrantsTo('local/blue', [BOB])).toEqual([])
    expect(await elsewhere.findGrantByToken(token)).toEqual(grant)
    await elsewhere.removeGrant('blue', grant.grantId)
    const kms = services.mesh.use('kms')
    expect(await kms.findGrantsTo('local/blue', [ANN])).toEqual([])
    await expect(kms.findGrantByToken(token)).rejects.toMatchObject({ code: 'KMS_GRANT_TOKEN_INVALID' })
    await expect(kms.removeGrant('blue', grant.grantId)).rejects.toMatchObject({ code: 'KMS_GRANT_NOT_FOUND' })
  })

  it('to a unique id are found by it and not by the ARN, which may be of somebody else now; older ones have only the ARN', async () => {
    const kms = services.mesh.use('kms')
    const [first, second] = [`AIDA${'A'.repeat(17)}`, `AIDA${'B'.repeat(17)}`]
    const { grant } = await kms.createGrant('blue', { ...GRANT, granteeId: first })
    expect(await kms.findGrantsTo('local/blue', [ANN, second])).toEqual([])
    expect(await kms.findGrantsTo('local/blue', [ANN, first])).toEqual([grant])
    const older = (await kms.createGrant('blue', GRANT)).grant
    expect(await kms.findGrantsTo('local/blue', [ANN, second])).toEqual([older])
    const query = { keyId: 'blue', grantees: [first, ANN] }
    const [one, ...none] = await kms.listGrants({ ...query, afterGrantId: '', limit: 1 })
    const [other] = await kms.listGrants({ ...query, afterGrantId: one?.grantId ?? '', limit: 1 })
    expect(none).toEqual([])
    expect(new Set([one?.grantId, other?.grantId])).toEqual(new Set([grant.grantId, older.grantId]))
    expect(await kms.listGrants({ ...query, afterGrantId: other?.grantId ?? '', limit: 1 })).toEqual([])
  })

  it('rest sealed, and a record that is put to another key or grantee is refused', async () => {
    const kms = services.mesh.use('kms')
    const { grant } = await kms.createGrant('blue', GRANT)
    const toBob = (await kms.createGrant('blue', { ...GRANT, granteePrincipal: BOB })).grant
    const record = await services.store.findRecord('keys', idOf('blue', grant.grantId))
    expect(Buffer.from(record?.value ?? []).includes('user/ann')).toBe(false)
    await services.store.putRecord('keys', idOf('green', grant.grantId), record?.value ?? Buffer.alloc(0), 0)
    await expect(kms.findGrantsTo('local/green', [ANN])).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    const there = await services.store.findRecord('keys', idOf('blue', toBob.grantId))
    await services.store.putRecord(
      'keys',
      idOf('blue', toBob.grantId),
      record?.value ?? Buffer.alloc(0),
      there?.revision ?? 0,
    )
    await expect(kms.findGrantsTo('local/blue', [BOB])).rejects.toMatchObject({ code: 'KMS_RECORD_DAMAGED' })
    expect(await kms.findGrantsTo('local/blue', [ANN])).toEqual([grant])
  })

  it('of one name are one, also when they are asked for at one moment in two processes', async () => {
    const named = { ...GRANT, name: 'once' }
    const made = await Promise.all(
      [services, other, services, other].map(({ mesh }) => mesh.use('kms').createGrant('blue', named)),
    )
    expect(new Set(made.map(({ grant }) => grant.grantId)).size).toBe(1)
    expect(new Set(made.map(({ token }) => token)).size).toBe(4)
    for (const { token } of made) {
      expect((await other.mesh.use('kms').findGrantByToken(token)).grantId).toBe(made[0]?.grant.grantId)
    }
  })

  it('are at most 500 to one principal, are refused for a disabled key, and end with their key', async () => {
    const kms = services.mesh.use('kms')
    await Promise.all(Array.from({ length: 500 }, () => kms.createGrant('blue', GRANT)))
    await expect(kms.createGrant('blue', GRANT)).rejects.toMatchObject({ code: 'KMS_LIMIT_EXCEEDED' })
    await kms.createGrant('blue', { ...GRANT, granteePrincipal: BOB })
    expect(await kms.findGrantsTo('blue', [ANN, BOB])).toHaveLength(501)
    await kms.disableKey('blue')
    await expect(kms.createGrant('blue', { ...GRANT, granteePrincipal: BOB })).rejects.toMatchObject({
      code: 'KMS_KEY_DISABLED',
    })
    expect(await kms.listGrants({ keyId: 'blue', afterGrantId: '', limit: 1000 })).toHaveLength(501)
  })
})
