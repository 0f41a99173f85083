import { describe, expect, it } from 'vitest'
import { parsePytestOutput, renderReport } from './s3-tests-report.ts'

const OUTPUT = `
=========================== short test summary info ============================
PASSED s3tests/functional/test_s3.py::test_bucket_list_empty
PASSED s3tests/functional/test_s3.py::test_clean_up_fails
PASSED s3tests/functional/test_s3.py::test_with_parameter[a-b]
XFAIL s3tests/functional/test_s3.py::test_known
SKIPPED [2] s3tests/functional/test_s3.py:120: no cloud section
SKIPPED [1] s3tests/functional/test_sns.py:9: no sns
FAILED s3tests/functional/test_headers.py::test_bad_date - botocore.exceptions.ClientError: An error - occurred
ERROR s3tests/functional/test_s3.py::test_clean_up_fails - RuntimeError: not empty
= 1 failed, 3 passed in 1.0s =
`

describe('the report of s3-tests', () => {
  const report = parsePytestOutput(OUTPUT)

  it('counts by file; a test whose clean-up fails has failed', () => {
    expect(report.files).toEqual([
      { file: 'test_headers.py', passed: 0, failed: 1, skipped: 0 },
      { file: 'test_s3.py', passed: 2, failed: 1, skipped: 3 },
      { file: 'test_sns.py', passed: 0, failed: 0, skipped: 1 },
    ])
  })

  it('names each failing test with its reason', () => {
    expect(report.failures).toEqual([
      { test: 'test_headers.py::test_bad_date', reason: 'botocore.exceptions.ClientError: An error - occurred' },
      { test: 'test_s3.py::test_clean_up_fails', reason: 'RuntimeError: not empty' },
    ])
  })

  it('is a table with a total, and a list', () => {
    const lines = renderReport(report).split('\n')
    expect(lines[4]?.split(/ +/)).toEqual(['total', '2', '2', '4'])
    expect(lines[6]).toBe('test_headers.py::test_bad_date  botocore.exceptions.ClientError: An error - occurred')
  })

  it('of an output without tests is empty', () => {
    expect(parsePytestOutput('ImportError: no module named boto3')).toEqual({ files: [], failures: [] })
  })
})
