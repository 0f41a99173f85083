import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AddressGuard, isPublic } from './address-guard.ts'
import { boundedFetch, guardedFetch } from './bounded-fetch.ts'

describe('an address', () => {
  it.each(['8.8.8.8', '93.184.216.34', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::200e'])(
    '%s is of the public internet',
    (address) => expect(isPublic(address)).toBe(true),
  )
  it.each([
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::7f00:1',
    'fd00:ec2::254',
    'fe80::1',
    'ff02::1',
    '2002:7f00:1::',
    '2001:db8::1',
  ])('%s is not', (address) => expect(isPublic(address)).toBe(false))
})

describe('a fetch for what strangers name', () => {
  let server: Server
  let port = 0
  let asked = 0
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked++
      if (request.url === '/moved') response.writeHead(302, { location: '/elsewhere' }).end()
      else response.end('the secret of this machine')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => server.close())

  it.each(['127.0.0.1', 'localhost', '0x7f.1', '2130706433', '127.1', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0'])(
    'does not reach this machine as %s',
    async (host) => {
      const fetched = guardedFetch(new AddressGuard([]))(`http://${host}:${port}/`)
      await expect(fetched).rejects.toMatchObject({ code: 'WEB_IDENTITY_PROVIDER_REFUSED' })
      expect(asked).toBe(0)
    },
  )

  it('is sent nowhere else by the host that it asks: a redirect is its answer', async () => {
    const before = asked
    const guard = new AddressGuard(['localhost'])
    for (const fetch of [guardedFetch(guard), boundedFetch]) {
      const answer = await fetch(`http://localhost:${port}/moved`)
      expect([answer.status, await answer.text()]).toEqual([302, ''])
    }
    expect(asked - before).toBe(2)
  })

  it('reaches hosts that are listed, and only under the name that is', async () => {
    const fetch = guardedFetch(new AddressGuard(['localhost']))
    expect(await (await fetch(`http://localhost:${port}/`)).text()).toBe('the secret of this machine')
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ code: 'WEB_IDENTITY_PROVIDER_REFUSED' })
  })
})
