import { expect, it } from 'vitest'
import { serverForSuite } from '../harness/start-server.ts'
import { callKms } from './kms-client.ts'

const server = await serverForSuite({ env: { COFFER_ALLOW_HTTP: 'true' } })

it.each(['GenerateDataKey', 'GenerateRandom', 'Encrypt', 'Decrypt'])(
  '%s is refused over plain HTTP, where its key material could be read',
  async (operation) => {
    const answer = await callKms(server, operation, { NumberOfBytes: 16 })
    expect([answer.status, answer.type]).toEqual([400, 'ValidationException'])
    expect(answer.message).toContain('secure connection')
    expect(answer.body).not.toHaveProperty('Plaintext')
  },
)

it('what carries no key material is answered there, and the same over TLS on the same port is too', async () => {
  expect((await callKms(server, 'ListKeys', {})).status).toBe(200)
  const secure = { ...server, endpoint: server.endpoint.replace('http:', 'https:') }
  const answer = await callKms(secure, 'GenerateRandom', { NumberOfBytes: 16 })
  expect(Buffer.from(String(answer.body.Plaintext), 'base64')).toHaveLength(16)
  expect(answer.headers['cache-control']).toBe('no-store')
})
