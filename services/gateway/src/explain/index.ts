export { type Explanation, explain } from './explain.ts'
export { NotExplained } from './explained-use.ts'
