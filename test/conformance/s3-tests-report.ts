export type Outcome = 'passed' | 'failed' | 'skipped'

export interface FileCounts {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

export interface Failure {
  /** `test_s3.py::test_object_read_not_exist`. */
  readonly test: string
  /** The last line of its traceback, cut by pytest. */
  readonly reason: string
}

export interface ConformanceReport {
  readonly files: readonly FileCounts[]
  readonly failures: readonly Failure[]
}

/** A line of pytest's short summary with `-rA`: outcome, node id or (skipped tests) count and place, reason. */
const NAMED_LINE = /^(PASSED|FAILED|ERROR|XPASS|XFAIL) (\S+?\.py::\S+)(?: - (.*))?$/
const SKIPPED_LINE = /^SKIPPED \[(\d+)\] ([^\s:]+\.py):/

/**
 * Counts by file, from what `pytest -rA` printed. A test that passed but whose clean-up failed (ERROR beside PASSED) has
 * failed; an expected failure (XFAIL) is one that was skipped.
 */
export function parsePytestOutput(output: string): ConformanceReport {
  const outcomes = new Map<string, Outcome>()
  const reasons = new Map<string, string>()
  const skippedByFile = new Map<string, number>()
  for (const line of output.split('\n')) {
    const [, count, place] = SKIPPED_LINE.exec(line) ?? []
    if (place !== undefined) {
      const file = fileOf(place)
      skippedByFile.set(file, (skippedByFile.get(file) ?? 0) + Number(count))
    }
    const [, word, node, reason = ''] = NAMED_LINE.exec(line) ?? []
    if (word === undefined || node === undefined) continue
    const outcome = word === 'FAILED' || word === 'ERROR' ? 'failed' : word === 'XFAIL' ? 'skipped' : 'passed'
    const test = fileOf(node)
    if (outcome === 'failed' && !reasons.has(test)) reasons.set(test, reason)
    if (outcomes.get(test) !== 'failed') outcomes.set(test, outcome)
  }
  return { files: countsOf(outcomes, skippedByFile), failures: failuresOf(reasons) }
}

/** The file's name, and the test's if there is one, without the folders. */
function fileOf(node: string): string {
  const [path = '', ...test] = node.split('::')
  return [path.slice(path.lastIndexOf('/') + 1), ...test].join('::')
}

function countsOf(outcomes: ReadonlyMap<string, Outcome>, skipped: ReadonlyMap<string, number>): FileCounts[] {
  const files = new Set([...outcomes.keys()].map((test) => test.split('::', 1)[0] ?? '').concat(...skipped.keys()))
  return [...files].sort().map((file) => {
    const ofFile = [...outcomes].filter(([test]) => test.startsWith(`${file}::`)).map(([, outcome]) => outcome)
    const count = (wanted: Outcome): number => ofFile.filter((outcome) => outcome === wanted).length
    return {
      file,
      passed: count('passed'),
      failed: count('failed'),
      skipped: count('skipped') + (skipped.get(file) ?? 0),
    }
  })
}

function failuresOf(reasons: ReadonlyMap<string, string>): Failure[] {
  return [...reasons].map(([test, reason]) => ({ test, reason })).sort((a, b) => (a.test < b.test ? -1 : 1))
}

/** The report as text: a table of counts by file, then each failing test with its reason. */
export function renderReport({ files, failures }: ConformanceReport): string {
  const sum = (of: (counts: FileCounts) => number): number => files.reduce((total, counts) => total + of(counts), 0)
  const total: FileCounts = {
    file: 'total',
    passed: sum(({ passed }) => passed),
    failed: sum(({ failed }) => failed),
    skipped: sum(({ skipped }) => skipped),
  }
  const rows = [...files, total].map(
    ({ file, passed, failed, skipped }) =>
      `${file.padEnd(24)}${String(passed).padStart(8)}${String(failed).padStart(8)}${String(skipped).padStart(9)}`,
  )
  return [
    `${'file'.padEnd(24)}${'passed'.padStart(8)}${'failed'.padStart(8)}${'skipped'.padStart(9)}`,
    ...rows,
    '',
    ...failures.map(({ test, reason }) => `${test}  ${reason}`),
    '',
  ].join('\n')
}
