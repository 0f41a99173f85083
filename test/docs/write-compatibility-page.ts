import { writeFileSync } from 'node:fs'
import { COMPATIBILITY_PAGE, compatibilityPage } from './compatibility-page.ts'

writeFileSync(COMPATIBILITY_PAGE, compatibilityPage())
