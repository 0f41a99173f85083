export { type ExplainRequest, type Explanation, explain } from './explain.ts'
export { NotExplained } from './explained-use.ts'
