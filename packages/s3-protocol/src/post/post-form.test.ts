// biome-ignore-all lint/suspicious/noTemplateCurlyInString: S3's own placeholder, not one of JavaScript.

import { describe, expect, it } from 'vitest'
import { parsePostForm, redirectLocation, withFileName } from './post-form.ts'

const formOf = (fields: Readonly<Record<string, string>>) => parsePostForm(new Map(Object.entries(fields)))

describe('a posted form', () => {
  it('asks for what a PUT with its headers would ask', () => {
    const form = formOf({
      key: 'k',
      acl: 'private',
      'content-type': 'text/ž',
      'x-amz-meta-a': '1',
      'x-amz-server-side-encryption': 'AES256',
      'x-amz-date': '20261124T120000Z',
      'x-amz-credential': 'c',
      'x-amz-copy-source': '/secret/key',
      policy: 'p',
      submit: 'Upload',
      tagging: '<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag></TagSet></Tagging>',
    })
    expect(form).toEqual({
      key: 'k',
      headers: {
        'content-type': Buffer.from('text/ž').toString('latin1'),
        'x-amz-acl': 'private',
        'x-amz-meta-a': '1',
        'x-amz-server-side-encryption': 'AES256',
        'x-amz-tagging': 'a%20b=1%262',
      },
      success: { status: 204 },
    })
  })

  it.each([
    ['200', 200],
    ['201', 201],
    ['204', 204],
    ['404', 204],
    ['toString', 204],
  ])('with success_action_status %s is answered %i', (text, status) => {
    expect(formOf({ key: 'k', success_action_status: text }).success.status).toBe(status)
  })

  it.each(['javascript:alert(1)', '//host/', 'http://', 'https://host/\r\nx: y'])('is not sent to %j', (redirect) => {
    expect(formOf({ key: 'k', success_action_redirect: redirect }).success.redirect).toBeUndefined()
  })

  it('is sent where it says, with bucket, key and ETag', () => {
    const { redirect = '' } = formOf({ key: 'k', success_action_redirect: 'https://host/done?a=1#top' }).success
    expect(redirectLocation(redirect, { bucket: 'b', key: 'a b&c', etag: '"e"' })).toBe(
      'https://host/done?a=1&bucket=b&key=a%20b%26c&etag=%22e%22#top',
    )
  })

  it('takes the name of its file for ${filename}, as it is, but not in what is signed', () => {
    const fields = new Map([
      ['key', 'up/${filename}/${filename}'],
      ['policy', '${filename}'],
    ])
    expect(Object.fromEntries(withFileName({ fields, fileName: '$& $1' }))).toEqual({
      key: 'up/$& $1/$& $1',
      policy: '${filename}',
    })
  })

  it.each([
    ['no key', {}, 'InvalidArgument'],
    ['a long key', { key: 'k'.repeat(1025) }, 'KeyTooLongError'],
    ['a header of two lines', { key: 'k', 'x-amz-meta-a': '1\r\nx-amz-acl: public-read' }, 'InvalidArgument'],
    ['tags that are no document', { key: 'k', tagging: 'a=b' }, 'MalformedXML'],
    [
      'a tag without a value',
      { key: 'k', tagging: '<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>' },
      'MalformedXML',
    ],
  ])('with %s is refused', (_what, fields, code) => {
    expect(() => formOf(fields)).toThrow(expect.objectContaining({ code }))
  })
})
