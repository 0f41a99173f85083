import { CronExpressionParser } from 'cron-parser'
import { jobError } from './errors.ts'
import type { Timetable } from './job-queue.ts'

const NAME = /^[A-Za-z0-9._-]{1,64}$/
const CRON_CHARACTERS_MAX = 200
const CRON_FIELDS = 5
const EVERY_MS_MIN = 1000
/** Ten years; a timer that nobody will see. */
const EVERY_MS_MAX = 10 * 366 * 24 * 3600 * 1000

/** JOB_SCHEDULE_INVALID. */
export function assertScheduleName(name: string): void {
  if (!NAME.test(name)) throw jobError('JOB_SCHEDULE_INVALID', { name: name.slice(0, 100) })
}

/** The first time strictly after `afterMs`. JOB_SCHEDULE_INVALID. */
export function nextTime(timetable: Timetable, afterMs: number): number {
  if ('everyMs' in timetable) {
    const { everyMs } = timetable
    const isValid = Number.isInteger(everyMs) && everyMs >= EVERY_MS_MIN && everyMs <= EVERY_MS_MAX
    if (!isValid) throw jobError('JOB_SCHEDULE_INVALID', { everyMs })
    return afterMs + everyMs
  }
  const { cron } = timetable
  const isPlausible = cron.length <= CRON_CHARACTERS_MAX && cron.trim().split(/\s+/).length === CRON_FIELDS
  if (!isPlausible) throw jobError('JOB_SCHEDULE_INVALID', { cron: cron.slice(0, CRON_CHARACTERS_MAX) })
  try {
    return CronExpressionParser.parse(cron, { currentDate: new Date(afterMs), tz: 'UTC' })
      .next()
      .getTime()
  } catch (cause) {
    throw jobError('JOB_SCHEDULE_INVALID', { cron }, { cause })
  }
}
