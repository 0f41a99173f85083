#!/usr/bin/env node
// Reads reports of vitest (JSON), of which a later one counts for the files that it has.
//   results.js counts REPORT...   "passed failed skipped"; a file that failed before its first test counts as one failed
//   results.js failed REPORT...   the files that failed, a line each
//   results.js unsteady REPORT... what failed in one report and passed in a later one, a line each
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

const [question, ...paths] = process.argv.slice(2)
const texts = paths.map((path) => (existsSync(path) ? readFileSync(path, 'utf8') : ''))
const reports = texts.filter((text) => text !== '').map((text) => JSON.parse(text).testResults)
const byFile = new Map(reports.flat().map((file) => [file.name, file]))
const testsOf = (file, ...statuses) => file.assertionResults.filter((test) => statuses.includes(test.status))
const isFailed = (file) => file.status === 'failed' || testsOf(file, 'failed').length > 0

const answers = {
  counts() {
    let passed = 0
    let failed = 0
    let skipped = 0
    for (const file of byFile.values()) {
      const failedTests = testsOf(file, 'failed').length
      passed += testsOf(file, 'passed').length
      failed += failedTests === 0 && file.status === 'failed' ? 1 : failedTests
      skipped += testsOf(file, 'pending', 'skipped', 'todo').length
    }
    return [`${passed} ${failed} ${skipped}`]
  },
  failed() {
    return [...byFile.values()].filter(isFailed).map((file) => relative(process.cwd(), file.name))
  },
  unsteady() {
    const failedOnce = reports.flat().filter((file) => isFailed(file) && !isFailed(byFile.get(file.name)))
    return failedOnce.flatMap((file) => {
      const tests = testsOf(file, 'failed').map((test) => test.fullName)
      return (tests.length > 0 ? tests : ['before its first test']).map(
        (test) => `${relative(process.cwd(), file.name)}: ${test}`,
      )
    })
  },
}
for (const line of answers[question]()) console.log(line)
