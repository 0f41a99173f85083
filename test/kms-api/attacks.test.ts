import { CreateKeyCommand } from '@aws-sdk/client-kms'
import { beforeAll, describe, expect, it } from 'vitest'
import { send, sendSigned } from '../harness/raw-request.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { answerOf, callKms, kmsClient } from './kms-client.ts'

const server = await serverForSuite()
const kms = kmsClient(server)
const JSON_TYPE = 'application/x-amz-json-1.1'
let KeyId = ''

beforeAll(async () => {
  KeyId = (await kms.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? ''
})

describe('who says not who it is', () => {
  it('is not answered without a signature', async () => {
    const headers = { 'content-type': JSON_TYPE, 'x-amz-target': 'TrentService.ListKeys' }
    const answer = answerOf(await send(server, { method: 'POST', path: '/', headers, body: '{}' }))
    expect([answer.status, answer.type]).toEqual([400, 'MissingAuthenticationTokenException'])
    expect(answer.headers['content-type']).toBe(JSON_TYPE)
    expect(answer.headers['x-amzn-requestid']).toMatch(/^[0-9A-F]{20}$/)
  })
})

describe('a signature', () => {
  it.each([
    [
      'of an unknown access key',
      { keys: { accessKeyId: 'AKUNKNOWN', secretAccessKey: 'x' } },
      'UnrecognizedClientException',
    ],
    [
      'by another secret',
      { keys: { accessKeyId: server.accessKeyId, secretAccessKey: 'x'.repeat(32) } },
      'InvalidSignatureException',
    ],
    ['for the service s3', { service: 's3' }, 'IncompleteSignatureException'],
    ['for another region', { region: 'eu-west-1' }, 'InvalidSignatureException'],
    ['of an hour ago', { date: new Date(Date.now() - 3_600_000) }, 'InvalidSignatureException'],
    ['over another body', { payloadHash: 'a'.repeat(64) }, 'InvalidSignatureException'],
    ['that leaves out the body', { payloadHash: 'UNSIGNED-PAYLOAD' }, 'InvalidSignatureException'],
    ['that leaves out the operation', { unsignedHeaders: ['x-amz-target'] }, 'InvalidSignatureException'],
    [
      'of another operation',
      {
        tamper: (headers: Record<string, string>) => {
          headers['x-amz-target'] = 'TrentService.ScheduleKeyDeletion'
        },
      },
      'InvalidSignatureException',
    ],
    [
      'of an old kind',
      {
        tamper: (headers: Record<string, string>) => {
          headers.authorization = 'AWS key:signature'
        },
      },
      'IncompleteSignatureException',
    ],
  ] as const)('%s is refused', async (_, signing, type) => {
    const answer = await callKms(server, 'DescribeKey', { KeyId }, signing)
    expect([answer.status, answer.type]).toEqual([400, type])
  })

  it('for kms opens no door of S3', async () => {
    const raw = { method: 'GET', path: '/' } as const
    expect((await sendSigned(server, raw, { service: 'kms' })).code).toBe('AuthorizationHeaderMalformed')
  })
})

describe('a request that is not what it should be', () => {
  it.each([
    ['an unknown operation', 'Nonsense', '{}', 'UnknownOperationException'],
    ['an operation that this server has not', 'CreateCustomKeyStore', '{}', 'UnknownOperationException'],
    ['the name of a property of objects', 'constructor', '{}', 'UnknownOperationException'],
    ['no JSON', 'ListKeys', '{"Limit":', 'SerializationException'],
    ['nothing', 'ListKeys', '', 'SerializationException'],
    ['no UTF-8', 'ListKeys', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'SerializationException'],
    ['a list', 'ListKeys', '[]', 'ValidationException'],
    ['deep nesting', 'ListKeys', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'ValidationException'],
    ['a field that nobody knows', 'ListKeys', '{"Limits":1}', 'ValidationException'],
    ['a number for a text', 'DescribeKey', '{"KeyId":7}', 'ValidationException'],
    ['a limit that is none', 'ListKeys', '{"Limit":0}', 'ValidationException'],
    ['no base64', 'Decrypt', '{"CiphertextBlob":"%%%"}', 'ValidationException'],
    ['an oversize ciphertext', 'Decrypt', `{"CiphertextBlob":"${'A'.repeat(8196)}"}`, 'ValidationException'],
  ])('is refused: %s', async (_, operation, body, type) => {
    const answer = await callKms(server, operation, body)
    expect([answer.status, answer.type]).toEqual([400, type])
  })

  it.each([
    ['a name that is Coffer’s own', '{"coffer:purpose":"kms-api"}'],
    ['the name __proto__, which would go unseen', '{"__proto__":"a"}'],
    ['a value that is no text', '{"a":{"b":"c"}}'],
    ['a list', '["a"]'],
    ['half a character', '{"a":"\\ud800"}'],
    ['too much text', JSON.stringify({ a: 'x'.repeat(8200) })],
  ])('is refused: a context with %s', async (_, context) => {
    const body = `{"KeyId":"${KeyId}","KeySpec":"AES_256","EncryptionContext":${context}}`
    const answer = await callKms(server, 'GenerateDataKey', body)
    expect([answer.status, answer.type]).toEqual([400, 'ValidationException'])
  })

  it('is refused as a whole where its body is too large, before it has all come', async () => {
    const answer = await callKms(server, 'ListKeys', `{"Marker":"${'x'.repeat(300 * 1024)}"}`)
    expect([answer.status, answer.type]).toEqual([413, 'RequestEntityTooLargeException'])
  })

  it('is told where it is wrong, never what it said', async () => {
    const plaintext = `${'s3cr3t'.repeat(10)}!`
    const answer = await callKms(server, 'Encrypt', { KeyId, Plaintext: plaintext })
    expect(answer.message).toContain("'Plaintext'")
    expect(answer.message).not.toContain('s3cr3t')
    const broken = await callKms(server, 'Encrypt', `{"KeyId":"${KeyId}","Plaintext":"s3cr3t"`)
    expect(broken.message).not.toContain('s3cr3t')
    expect(server.logs()).not.toContain('s3cr3t')
  })
})
