import { expect, it } from 'vitest'
import { parseLifecycleConfiguration } from './lifecycle-documents.ts'

const days = (count: number | string, storageClass: string) =>
  `<Transition><Days>${count}</Days><StorageClass>${storageClass}</StorageClass></Transition>`
const date = (text: string, storageClass: string) =>
  `<Transition><Date>${text}</Date><StorageClass>${storageClass}</StorageClass></Transition>`
const noncurrent = (count: number, storageClass: string, newer = '') =>
  `<NoncurrentVersionTransition><NoncurrentDays>${count}</NoncurrentDays>${newer}<StorageClass>${storageClass}</StorageClass></NoncurrentVersionTransition>`
const expires = (content: string) => `<Expiration>${content}</Expiration>`
const newer = (count: number) => `<NewerNoncurrentVersions>${count}</NewerNoncurrentVersions>`

function parse(content: string, filter = '<Filter/>') {
  const rule = `<Rule><ID>r</ID>${filter}<Status>Enabled</Status>${content}</Rule>`
  return parseLifecycleConfiguration(Buffer.from(`<LifecycleConfiguration>${rule}</LifecycleConfiguration>`))
}

it.each([
  days(0, 'GLACIER_IR'),
  days(30, 'STANDARD_IA') + days(60, 'ONEZONE_IA'),
  days(1, 'GLACIER_IR') + expires('<Days>2</Days>'),
  date('2030-01-01', 'STANDARD_IA') + date('2030-01-02', 'GLACIER_IR') + expires('<Date>2030-01-03</Date>'),
  noncurrent(30, 'STANDARD_IA') + noncurrent(60, 'GLACIER_IR'),
  noncurrent(0, 'GLACIER_IR', newer(3)),
  days(1, 'GLACIER_IR') + expires('<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>'),
])('%s is a rule', (content) => {
  expect(parse(content).rules).toHaveLength(1)
})

it.each([
  ['<Transition><Days>1</Days></Transition>', 'MalformedXML'],
  ['<Transition><StorageClass>GLACIER_IR</StorageClass></Transition>', 'MalformedXML'],
  [days(1, 'MARBLE'), 'MalformedXML'],
  [days(1, 'STANDARD'), 'MalformedXML'],
  [days(1, 'REDUCED_REDUNDANCY'), 'MalformedXML'],
  [days('x', 'GLACIER_IR'), 'MalformedXML'],
  [days(1, 'GLACIER'), 'InvalidStorageClass'],
  [days(-1, 'GLACIER_IR'), 'InvalidArgument'],
  [days(29, 'STANDARD_IA'), 'InvalidArgument'],
  [days(29, 'ONEZONE_IA'), 'InvalidArgument'],
  [date('20220927', 'GLACIER_IR'), 'MalformedXML'],
  [date('2030-01-01T00:00:01Z', 'GLACIER_IR'), 'InvalidArgument'],
  [days(5, 'GLACIER_IR') + days(6, 'GLACIER_IR'), 'InvalidRequest'],
  [days(30, 'STANDARD_IA') + days(59, 'GLACIER_IR'), 'InvalidArgument'],
  [days(5, 'GLACIER_IR') + days(5, 'INTELLIGENT_TIERING'), 'InvalidArgument'],
  [days(5, 'INTELLIGENT_TIERING') + date('2030-01-01', 'GLACIER_IR'), 'InvalidRequest'],
  [days(5, 'GLACIER_IR') + expires('<Date>2030-01-01</Date>'), 'InvalidRequest'],
  [days(5, 'GLACIER_IR') + expires('<Days>5</Days>'), 'InvalidArgument'],
  [date('2030-01-02', 'GLACIER_IR') + expires('<Date>2030-01-02</Date>'), 'InvalidArgument'],
  [noncurrent(29, 'STANDARD_IA'), 'InvalidArgument'],
  [noncurrent(1, 'GLACIER_IR', newer(101)), 'InvalidArgument'],
  [noncurrent(5, 'GLACIER_IR') + noncurrent(6, 'GLACIER_IR'), 'InvalidRequest'],
  [
    `${noncurrent(5, 'GLACIER_IR')}<NoncurrentVersionExpiration><NoncurrentDays>5</NoncurrentDays></NoncurrentVersionExpiration>`,
    'InvalidArgument',
  ],
])('%s is %s', (content, code) => {
  expect(() => parse(content)).toThrow(expect.objectContaining({ code }))
})

it('keeps newer versions only with a filter', () => {
  expect(() => parse(noncurrent(1, 'GLACIER_IR', newer(2)), '<Prefix/>')).toThrow(
    expect.objectContaining({ code: 'InvalidRequest' }),
  )
})
