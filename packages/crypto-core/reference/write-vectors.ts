import { writeFileSync } from 'node:fs'
import { vectorFiles, vectorText } from './vectors.ts'

for (const [name, file] of vectorFiles()) {
  writeFileSync(new URL(`../vectors/${name}`, import.meta.url), vectorText(file))
}
