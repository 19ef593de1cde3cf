// What is wrong with something that was written, and where. Pure.

/** Where a value stands in the file. */
export type ConfigPath = readonly PropertyKey[]

export interface FoundProblem {
  path: ConfigPath
  message: string
}
