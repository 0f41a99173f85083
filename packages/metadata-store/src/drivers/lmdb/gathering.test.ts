import { describe, expect, it } from 'vitest'
import { Gathering } from './gathering.ts'

describe('gathering changes for one commit', () => {
  it('waits for those of the last commit to come back', () => {
    const gathering = new Gathering()
    gathering.committed(5, false)
    expect(gathering.wanted(6)).toBe(11)
  })

  it('does not make a single writer wait twice', () => {
    const gathering = new Gathering()
    gathering.committed(1, false)
    expect(gathering.wanted(1)).toBe(2)
    gathering.committed(1, true)
    expect(gathering.wanted(1)).toBe(1)
  })

  it('waits for as many as came when it waited in vain for more', () => {
    const gathering = new Gathering()
    gathering.committed(11, false)
    expect(gathering.wanted(9)).toBe(20)
    gathering.committed(16, true)
    expect(gathering.wanted(3)).toBe(16)
  })

  it('never wants fewer than are there', () => {
    const gathering = new Gathering()
    gathering.committed(1, true)
    expect(gathering.wanted(40)).toBe(40)
  })

  it('learns of writers that came later', () => {
    const gathering = new Gathering()
    gathering.committed(1, true)
    for (let commit = 0; commit < 64; commit++) gathering.committed(8, false)
    expect(gathering.wanted(8)).toBe(16)
  })
})
