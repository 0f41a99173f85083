import { Secret } from '@coffer/crypto-core'
import { describe, expect, test } from 'vitest'
import { type BannerFacts, renderBanner } from './banner.ts'

const LATER_START: BannerFacts = {
  configuration: { address: { host: '127.0.0.1', port: 9000 }, allowHttp: false, region: 'eu-1' },
  port: 9000,
  workerCount: 2,
  dataPath: '/srv/coffer',
  caPath: '/srv/coffer/certs/public.crt',
  rootKey: { key: Secret.random(32), origin: '/srv/coffer/secrets/root.key', isNew: false },
  credentials: { path: '/srv/coffer/secrets/root-credentials', accessKeyId: 'ROOTKEYID' },
  isTerminal: true,
}
const MADE = { accessKeyId: 'ROOTKEYID', secretAccessKey: 'made-just-now' }
const FIRST_START: BannerFacts = { ...LATER_START, credentials: { ...LATER_START.credentials, made: MADE } }

describe('the banner', () => {
  test('shows the secret access key at the first start, once, and to no log', () => {
    expect(renderBanner(FIRST_START).split('made-just-now')).toHaveLength(2)
    expect(renderBanner({ ...FIRST_START, isTerminal: false })).not.toContain('made-just-now')
    expect(renderBanner(LATER_START)).not.toContain('made-just-now')
  })

  test.each(['AWS CLI', 'mc:', 'rclone', 's3cmd', 'AWS SDK for JavaScript'])('has lines for %s', (client) => {
    expect(renderBanner(LATER_START)).toContain(client)
  })

  test('names the endpoint, the region and the CA for each client', () => {
    const banner = renderBanner(LATER_START)
    expect(banner).toContain('AWS_ENDPOINT_URL=https://127.0.0.1:9000')
    expect(banner).toContain('AWS_CA_BUNDLE=/srv/coffer/certs/public.crt')
    expect(banner.match(/eu-1/g)?.length).toBeGreaterThanOrEqual(4)
    expect(banner.match(/\/srv\/coffer\/certs\/public\.crt/g)?.length).toBeGreaterThanOrEqual(5)
  })

  test('leaves the CA out where clients know who signed the certificate', () => {
    const banner = renderBanner({ ...LATER_START, caPath: undefined })
    expect(banner).not.toMatch(/AWS_CA_BUNDLE|--ca-cert|NODE_EXTRA_CA_CERTS|public\.crt/)
  })

  test.each([
    ['', 'https://127.0.0.1:9000'],
    ['0.0.0.0', 'https://127.0.0.1:9000'],
    ['::1', 'https://[::1]:9000'],
    ['s3.example.org', 'https://s3.example.org:9000'],
  ])('shows an endpoint that can be reached for the address %j', (host, endpoint) => {
    const configuration = { ...LATER_START.configuration, address: { host, port: 9000 } }
    expect(renderBanner({ ...LATER_START, configuration })).toContain(`ready on ${endpoint} `)
  })

  test('quotes paths for the shell', () => {
    const banner = renderBanner({ ...LATER_START, caPath: "/srv/my data/it's/public.crt" })
    expect(banner).toContain(`AWS_CA_BUNDLE='/srv/my data/it'\\''s/public.crt'`)
  })
})
