import { describe, expect, it } from 'vitest'
import { normalName } from './normal-name.ts'

describe('the one form of a distinguished name', () => {
  it.each([
    ['CN=Ops,OU=Groups,DC=Example,DC=org', 'cn=ops,ou=groups,dc=example,dc=org'],
    [' cn = ops , ou=groups ;dc= example+uid =x ', 'cn=ops,ou=groups;dc=example+uid=x'],
    ['cn=*,ou=groups', 'cn=*,ou=groups'],
    ['ops', 'ops'],
    ['', ''],
  ])('of %j is %j', (written, normal) => {
    expect(normalName(written)).toBe(normal)
    expect(normalName(normal)).toBe(normal)
  })

  it.each([
    ['cn=a = b,dc=x', 'cn=a=b,dc=x'],
    ['cn=a= b,dc=x', 'cn=a=b,dc=x'],
    ['cn=a\\, b,dc=x', 'cn=a\\,b,dc=x'],
    ['cn=a\\+ b,dc=x', 'cn=a\\+b,dc=x'],
    ['cn=a\\ ,dc=x', 'cn=a,dc=x'],
    ['cn=a\\ ', 'cn=a'],
    ['cn=\\ a', 'cn=a'],
    ['cn=a\\\\\\, b', 'cn=a\\\\, b'],
  ])('keeps %j and %j apart: they are two names', (one, other) => {
    expect(normalName(one)).not.toBe(normalName(other))
    expect(normalName(one)).toBe(one)
  })

  it('an escaped backslash escapes nothing more', () => {
    expect(normalName('cn=a\\\\ , dc=x')).toBe('cn=a\\\\,dc=x')
  })
})
