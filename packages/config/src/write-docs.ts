import { writeFileSync } from 'node:fs'
import { renderManual } from './manual.ts'

writeFileSync(new URL('../../../docs/configuration.md', import.meta.url), renderManual())
