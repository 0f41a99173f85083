import { describe, expect, it } from 'vitest'
import {
  parseLegalHold,
  parseObjectLockConfiguration,
  parseRetention,
  renderLegalHold,
  renderObjectLockConfiguration,
  renderRetention,
} from './object-lock-documents.ts'

const NOW = Date.UTC(2026, 0, 1)
const configuration = (rule: string): Buffer =>
  Buffer.from(
    `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`,
  )
const byDefault = (content: string): Buffer =>
  configuration(`<Rule><DefaultRetention>${content}</DefaultRetention></Rule>`)

describe('an Object Lock configuration', () => {
  it.each([
    {},
    { defaultRetention: { mode: 'GOVERNANCE', days: 1 } },
    { defaultRetention: { mode: 'COMPLIANCE', days: 36_500 } },
    { defaultRetention: { mode: 'COMPLIANCE', years: 100 } },
  ] as const)('reads back as written: %j', (wanted) => {
    expect(parseObjectLockConfiguration(Buffer.from(renderObjectLockConfiguration(wanted)))).toEqual(wanted)
  })

  it.each([
    [Buffer.from('<ObjectLockConfiguration/>'), 'MalformedXML'],
    [
      Buffer.from('<ObjectLockConfiguration><ObjectLockEnabled>Disabled</ObjectLockEnabled></ObjectLockConfiguration>'),
      'MalformedXML',
    ],
    [configuration('<Rule/>'), 'MalformedXML'],
    [byDefault('<Mode>GOVERNANCE</Mode>'), 'MalformedXML'],
    [byDefault('<Days>1</Days>'), 'MalformedXML'],
    [byDefault('<Mode>abc</Mode><Days>1</Days>'), 'MalformedXML'],
    [byDefault('<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>'), 'MalformedXML'],
    [byDefault('<Mode>GOVERNANCE</Mode><Days>1.5</Days>'), 'MalformedXML'],
    [byDefault('<Mode>GOVERNANCE</Mode><Days>0</Days>'), 'InvalidArgument'],
    [byDefault('<Mode>GOVERNANCE</Mode><Years>-1</Years>'), 'InvalidArgument'],
    [byDefault('<Mode>GOVERNANCE</Mode><Days>36501</Days>'), 'InvalidArgument'],
    [byDefault('<Mode>GOVERNANCE</Mode><Years>101</Years>'), 'InvalidArgument'],
  ])('refuses %s', (document, code) => {
    expect(() => parseObjectLockConfiguration(document)).toThrow(expect.objectContaining({ code }))
  })
})

describe('a retention', () => {
  it('reads back as written; an empty one takes it away', () => {
    const retention = { mode: 'GOVERNANCE', retainUntilAt: NOW + 1000 } as const
    expect(parseRetention(Buffer.from(renderRetention(retention)), NOW)).toEqual(retention)
    expect(parseRetention(Buffer.from('<Retention/>'), NOW)).toBeUndefined()
  })

  it.each([
    ['<Mode>GOVERNANCE</Mode>', 'MalformedXML'],
    ['<RetainUntilDate>2027-01-01T00:00:00Z</RetainUntilDate>', 'MalformedXML'],
    ['<Mode>governance</Mode><RetainUntilDate>2027-01-01T00:00:00Z</RetainUntilDate>', 'MalformedXML'],
    ['<Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate>', 'MalformedXML'],
    ['<Mode>GOVERNANCE</Mode><RetainUntilDate>2025-01-01T00:00:00Z</RetainUntilDate>', 'InvalidArgument'],
  ])('refuses %s', (content, code) => {
    const parse = () => parseRetention(Buffer.from(`<Retention>${content}</Retention>`), NOW)
    expect(parse).toThrow(expect.objectContaining({ code }))
  })
})

describe('a legal hold', () => {
  it('is ON or OFF', () => {
    for (const status of ['ON', 'OFF'] as const) {
      expect(parseLegalHold(Buffer.from(renderLegalHold(status)))).toBe(status)
    }
    for (const content of ['', '<Status>on</Status>', '<Status>ON</Status><More/>']) {
      const parse = () => parseLegalHold(Buffer.from(`<LegalHold>${content}</LegalHold>`))
      expect(parse).toThrow(expect.objectContaining({ code: 'MalformedXML' }))
    }
  })
})
