import { describe, expect, it } from 'vitest'
import type { LifecycleRule } from '../lifecycle/lifecycle-rules.ts'
import { parseLifecycleConfiguration } from './lifecycle-documents.ts'
import { renderLifecycleConfiguration } from './render-lifecycle.ts'

const document = (rules: string): Buffer => Buffer.from(`<LifecycleConfiguration>${rules}</LifecycleConfiguration>`)
const rule = (content: string, filter = '<Filter/>', status = 'Enabled'): string =>
  `<Rule><ID>r</ID>${filter}<Status>${status}</Status>${content}</Rule>`
const DAYS = '<Expiration><Days>1</Days></Expiration>'
const ABORT =
  '<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>'
const MARKER = '<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>'
const TAG = '<Tag><Key>a</Key><Value>1</Value></Tag>'
const noncurrent = (content: string): string => `<NoncurrentVersionExpiration>${content}</NoncurrentVersionExpiration>`

const RULES: readonly LifecycleRule[] = [
  { id: 'old form', isEnabled: true, prefix: 'logs/', expiration: { days: 1 } },
  { id: 'all', isEnabled: false, filter: {}, expiration: { dateAt: Date.UTC(2030, 0, 1) } },
  { id: 'prefix', isEnabled: true, filter: { prefix: '' }, expiration: { expiredObjectDeleteMarker: true } },
  { id: 'tag', isEnabled: true, filter: { tags: { 'a b': '' } }, expiration: { days: 2_147_483_647 } },
  {
    id: 'and',
    isEnabled: true,
    filter: { prefix: 'ü ', tags: { a: '1', b: '' }, sizeBytesGreaterThan: 0, sizeBytesLessThan: 2 ** 50 },
    expiration: { days: 3 },
    noncurrentVersionExpiration: { noncurrentDays: 1, newerNoncurrentVersions: 100 },
  },
  {
    id: 'size',
    isEnabled: true,
    filter: { sizeBytesGreaterThan: 5 },
    noncurrentVersionExpiration: { noncurrentDays: 9 },
  },
  {
    id: 'down',
    isEnabled: true,
    filter: {},
    expiration: { days: 400 },
    transitions: [
      { days: 30, storageClass: 'STANDARD_IA' },
      { days: 60, storageClass: 'INTELLIGENT_TIERING' },
      { days: 61, storageClass: 'GLACIER_IR' },
    ],
    noncurrentVersionExpiration: { noncurrentDays: 61 },
    noncurrentVersionTransitions: [
      { noncurrentDays: 30, newerNoncurrentVersions: 2, storageClass: 'STANDARD_IA' },
      { noncurrentDays: 60, storageClass: 'GLACIER_IR' },
    ],
  },
  {
    id: 'on a day',
    isEnabled: true,
    filter: {},
    transitions: [{ dateAt: Date.UTC(2030, 0, 1), storageClass: 'GLACIER_IR' }],
  },
  { id: 'abort', isEnabled: true, filter: { prefix: 'x' }, abortIncompleteMultipartUpload: { daysAfterInitiation: 7 } },
]

describe('a lifecycle configuration', () => {
  it('reads back as written', () => {
    expect(parseLifecycleConfiguration(Buffer.from(renderLifecycleConfiguration({ rules: RULES })))).toEqual({
      rules: RULES,
    })
  })

  it('gives a rule without a name one of its own', () => {
    const two = `<Rule><Filter/><Status>Enabled</Status>${DAYS}</Rule>`.repeat(2)
    const [first, second] = parseLifecycleConfiguration(document(two)).rules
    expect(first?.id).toMatch(/^[0-9a-f-]{36}$/)
    expect(second?.id).not.toBe(first?.id)
  })

  it.each(['2030-01-01', '2030-01-01T00:00:00Z', '2030-01-01T00:00:00.000Z', '2030-01-01T00:00:00+00:00'])(
    'reads the date %s',
    (date) => {
      const { rules } = parseLifecycleConfiguration(document(rule(`<Expiration><Date>${date}</Date></Expiration>`)))
      expect(rules[0]?.expiration).toEqual({ dateAt: Date.UTC(2030, 0, 1) })
    },
  )

  it.each([
    ['', 'MalformedXML'],
    [rule(DAYS).repeat(2), 'InvalidArgument'],
    [rule(DAYS).repeat(1001), 'MalformedXML'],
    [rule(DAYS, ''), 'MalformedXML'],
    [rule(DAYS, '<Filter/><Prefix/>'), 'MalformedXML'],
    [rule(DAYS, '<Filter/>', 'enabled'), 'MalformedXML'],
    [rule(''), 'InvalidRequest'],
    [rule(DAYS).replace('<ID>r', `<ID>${'r'.repeat(256)}`), 'InvalidArgument'],
    [rule('<Expiration/>'), 'MalformedXML'],
    [rule('<Expiration><Days>1</Days><Date>2030-01-01</Date></Expiration>'), 'MalformedXML'],
    [rule('<Expiration><Days>0</Days></Expiration>'), 'InvalidArgument'],
    [rule('<Expiration><Days>-1</Days></Expiration>'), 'InvalidArgument'],
    [rule('<Expiration><Days>1.5</Days></Expiration>'), 'MalformedXML'],
    [rule('<Expiration><Days>2147483648</Days></Expiration>'), 'MalformedXML'],
    [rule('<Expiration><Date>2030-01-01T00:00:01Z</Date></Expiration>'), 'InvalidArgument'],
    [rule('<Expiration><Date>tomorrow</Date></Expiration>'), 'MalformedXML'],
    [rule('<Expiration><Date>Tue, 01 Jan 2030 00:00:00 GMT</Date></Expiration>'), 'MalformedXML'],
    [rule(noncurrent('')), 'MalformedXML'],
    [rule(noncurrent('<NewerNoncurrentVersions>1</NewerNoncurrentVersions>')), 'MalformedXML'],
    [rule(noncurrent('<NoncurrentDays>0</NoncurrentDays>')), 'InvalidArgument'],
    [
      rule(noncurrent('<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>0</NewerNoncurrentVersions>')),
      'InvalidArgument',
    ],
    [
      rule(noncurrent('<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions>')),
      'InvalidArgument',
    ],
    [
      rule(
        noncurrent('<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions>'),
        '<Prefix/>',
      ),
      'InvalidRequest',
    ],
    [rule('<AbortIncompleteMultipartUpload/>'), 'MalformedXML'],
    [rule(ABORT, `<Filter>${TAG}</Filter>`), 'InvalidRequest'],
    [rule(ABORT, '<Filter><ObjectSizeLessThan>5</ObjectSizeLessThan></Filter>'), 'InvalidRequest'],
    [rule(MARKER, `<Filter>${TAG}</Filter>`), 'InvalidRequest'],
    [rule(DAYS, `<Filter>${TAG}<Prefix>a</Prefix></Filter>`), 'MalformedXML'],
    [rule(DAYS, `<Filter><And>${TAG}</And></Filter>`), 'MalformedXML'],
    [rule(DAYS, `<Filter><And>${TAG}${TAG}</And></Filter>`), 'InvalidRequest'],
    [rule(DAYS, `<Filter><And>${TAG}<And/></And></Filter>`), 'MalformedXML'],
    [rule(DAYS, '<Filter><Tag><Key>aws:a</Key><Value/></Tag></Filter>'), 'InvalidTag'],
    [rule(DAYS, `<Filter><Prefix>${'p'.repeat(1025)}</Prefix></Filter>`), 'InvalidRequest'],
    [rule(DAYS, '<Filter><ObjectSizeLessThan>-1</ObjectSizeLessThan></Filter>'), 'MalformedXML'],
    [
      rule(
        DAYS,
        '<Filter><And><ObjectSizeLessThan>5</ObjectSizeLessThan><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>',
      ),
      'InvalidRequest',
    ],
    [rule(`${DAYS}<Other/>`), 'MalformedXML'],
  ])('refuses %s', (rules, code) => {
    expect(() => parseLifecycleConfiguration(document(rules))).toThrow(expect.objectContaining({ code }))
  })
})
